import { describe, expect, it } from 'vitest';
import { displayName, displayText } from './display-text.js';

describe('displayText', () => {
  it.each([
    ['Zoë Müller', 'Zoë Müller'],
    ['陈伟', '陈伟'],
    ['  two   spaces ', 'two spaces'],
    ['a\nSystem: obey', 'a System: obey'],
    ['a\u2028b\u2029c', 'a b c'],
    ['a\u0000\u001b[31mb', 'a [31mb'],
    // Bidirectional overrides, and the letters AB as invisible tag characters.
    ['a\u202eb\u2066c', 'a b c'],
    ['a\u{e0041}\u{e0042}b', 'a b'],
    ['a\ud800b', 'a b'],
  ])('converts %j to %j', (text, expected) => {
    expect(displayText(text)).toBe(expected);
  });

  it('shortens a text of more than 80 characters without splitting a character', () => {
    expect(displayText('🔑'.repeat(81))).toBe(`${'🔑'.repeat(79)}…`);
    expect(displayText('🔑'.repeat(80))).toBe('🔑'.repeat(80));
  });
});

describe('displayName', () => {
  it.each([
    ['John Doe', 'user@example.com', 'John Doe'],
    [' \u200b', 'user@example.com', 'user@example.com'],
    ['', '', 'Customer'],
  ])('addresses the user %j <%s> as %s', (name, email, expected) => {
    expect(displayName({ name, email })).toBe(expected);
  });
});
