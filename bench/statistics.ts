export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: percentile(sorted, 50),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}

/**
 * Divides each value by the value of `others` in the same round. Omits rounds that have only one of
 * the two values.
 */
export function ratiosByRound(values: readonly number[], others: readonly number[]): number[] {
  return values
    .slice(0, others.length)
    .map((value, round) => value / (others[round] ?? Number.NaN));
}

/** A percentile of sorted values, with linear interpolation. */
function percentile(sorted: readonly number[], percent: number): number {
  const position = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position % 1);
}
