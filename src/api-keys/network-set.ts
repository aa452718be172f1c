/** Consecutive addresses, as numbers. */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

const EMPTY_RANGE: AddressRange = { first: -2n, last: -3n };
const BEYOND_ALL: AddressRange = { first: 1n << 128n, last: 1n << 128n };
// Half of 128: more ranges than a key can have.
const MIN_FIRST_STEP = 64;

/**
 * A set of addresses. `contains` takes the same time for every set of up to 127 ranges: the network
 * check of a stolen key must not differ from that of an unknown one.
 */
export class NetworkSet {
  /** Disjoint, in ascending order, after one that every search can end at. */
  private readonly ranges: readonly AddressRange[];
  private readonly firstStep: number;

  constructor(ranges: readonly AddressRange[]) {
    this.ranges = [EMPTY_RANGE, ...merge(ranges)];
    this.firstStep = MIN_FIRST_STEP;
    while (this.firstStep * 2 < this.ranges.length) this.firstStep *= 2;
  }

  /** A binary search that always makes the same number of steps. */
  contains(address: bigint): boolean {
    let index = 0;
    for (let step = this.firstStep; step > 0; step >>= 1) {
      if (this.rangeAt(index + step).first <= address) index += step;
    }
    return address <= this.rangeAt(index).last;
  }

  private rangeAt(index: number): AddressRange {
    return this.ranges[index] ?? BEYOND_ALL;
  }
}

/** Drops ranges that lie within another: CIDR blocks never overlap otherwise. */
function merge(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of ranges.toSorted(byFirstThenLongest)) {
    if (range.last > (merged.at(-1) ?? EMPTY_RANGE).last) merged.push(range);
  }
  return merged;
}

function byFirstThenLongest(a: AddressRange, b: AddressRange): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return Number(b.last - a.last);
}
