import { describe, expect, it } from 'vitest';
import { UTC_SESSION, inUtc } from './utc-session.js';

const optionsOf = (url: string) => new URL(inUtc(url)).searchParams.get('options');

describe('a URL for sessions in UTC', () => {
  it('has the options of these sessions', () => {
    expect(optionsOf('postgresql://ada:pw@host/latchkey')).toBe(UTC_SESSION);
  });

  it('keeps its own options in front', () => {
    const url = 'postgresql://ada:pw@host/latchkey?options=-c%20search_path%3Dkeys&sslmode=require';
    expect(optionsOf(url)).toBe(`-c search_path=keys ${UTC_SESSION}`);
    expect(new URL(inUtc(url)).searchParams.get('sslmode')).toBe('require');
  });
});
