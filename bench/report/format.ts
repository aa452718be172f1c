import { type Spread, spreadOf } from '../statistics.js';

const wholeNumbers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatCount(value: number): string {
  return wholeNumbers.format(value);
}

/** Explains the output of `formatSpread`, and states the number and duration of the rounds. */
export function describeRounds(rounds: number, seconds?: number): string {
  const length = seconds === undefined ? '' : ` of ${seconds} s`;
  return `median (smallest–largest) of ${rounds} rounds${length}.`;
}

/** Formats a value with three significant digits, such as 0.512, 3.42 and 28.1. */
export function formatDecimal(value: number): string {
  if (value >= 100) return formatCount(value);
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

/** Formats the median of values and, in parentheses, the smallest and the largest. */
export function formatSpread(
  values: readonly number[],
  format: (value: number) => string = formatDecimal,
): string {
  const { median, min, max }: Spread = spreadOf(values);
  return `${format(median)} (${format(min)}–${format(max)})`;
}
