import { describe, expect, it } from 'vitest';
import { formatMoney } from './format-money.js';

describe('formatMoney', () => {
  it.each([
    ['2543.75', 'USD', '$2,543.75'],
    ['2543', 'USD', '$2,543.00'],
    ['0', 'EUR', '€0.00'],
    ['-310.40', 'USD', '-$310.40'],
    ['750000', 'JPY', '¥750,000'],
    ['0.0025', 'EUR', '€0.0025'],
    // A floating-point number would be rounded to 1,000,000,000,000,000.
    ['999999999999999.9999', 'USD', '$999,999,999,999,999.9999'],
    ['1.234', 'KWD', 'KWD\u00a01.234'],
  ])('formats %s %s as %s', (amount, currency, text) => {
    expect(formatMoney(amount, currency)).toBe(text);
  });

  it('formats amounts in more currencies than its cache can hold', () => {
    const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(65 + index));
    const currencies = letters.flatMap((first) => letters.map((second) => `${first}${second}X`));
    const formatAll = () => currencies.map((currency) => formatMoney('1', currency));
    expect(formatAll()).toEqual(formatAll());
  });

  it.each([
    ['', 'USD'],
    ['1e9', 'USD'],
    ['NaN', 'USD'],
    ['1,000', 'USD'],
    ['1'.repeat(31), 'USD'],
    ['1', 'usd'],
    ['1', 'DOLLAR'],
  ])('rejects the amount %j in the currency %j', (amount, currency) => {
    expect(() => formatMoney(amount, currency)).toThrow(RangeError);
  });
});
