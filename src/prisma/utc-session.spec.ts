import { describe, expect, it } from 'vitest';
import { UTC_SESSION, inUtc } from './utc-session.js';

const optionsOf = (url: string) => new URL(inUtc(url)).searchParams.get('options');

describe('inUtc', () => {
  it('adds the options to a URL without options', () => {
    expect(optionsOf('postgresql://ada:pw@host/latchkey')).toBe(UTC_SESSION);
  });

  it('keeps the existing options of a URL, and appends its own', () => {
    const url = 'postgresql://ada:pw@host/latchkey?options=-c%20search_path%3Dkeys&sslmode=require';
    expect(optionsOf(url)).toBe(`-c search_path=keys ${UTC_SESSION}`);
    expect(new URL(inUtc(url)).searchParams.get('sslmode')).toBe('require');
  });
});
