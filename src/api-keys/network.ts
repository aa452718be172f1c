import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { networkBlock } from '@latchkey/environment/variables';

export const networkSchema = networkBlock.meta({
  description: 'A CIDR block, IPv4 or IPv6.',
  example: '10.0.0.0/8',
});

const cidrBlockSchema = z.union([z.cidrv4(), z.cidrv6()]);

interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

const EMPTY_RANGE: AddressRange = { first: -2n, last: -3n };
const BEYOND_ALL: AddressRange = { first: 1n << 128n, last: 1n << 128n };
// The first step width of a binary search in up to 127 ranges. A key has at most 100 networks.
const MIN_FIRST_STEP = 64;

/**
 * A set of addresses. `contains` takes the same time for every set of up to 127 ranges, so that
 * timing does not reveal whether a refused key exists.
 */
export class NetworkSet {
  /**
   * Disjoint and ascending. The first range is empty: the search for an address below all other
   * ranges ends there.
   */
  private readonly ranges: readonly AddressRange[];
  private readonly firstStep: number;

  constructor(ranges: readonly AddressRange[]) {
    this.ranges = [EMPTY_RANGE, ...merge(ranges)];
    this.firstStep = MIN_FIRST_STEP;
    while (this.firstStep * 2 < this.ranges.length) this.firstStep *= 2;
  }

  /** A binary search that always makes the same number of steps. */
  contains(address: string): boolean {
    const number = toNumber(address);
    let index = 0;
    for (let step = this.firstStep; step > 0; step >>= 1) {
      if (this.rangeAt(index + step).first <= number) index += step;
    }
    return number <= this.rangeAt(index).last;
  }

  private rangeAt(index: number): AddressRange {
    return this.ranges[index] ?? BEYOND_ALL;
  }
}

/** Drops each range that is inside another range. CIDR blocks cannot overlap in any other way. */
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

const ADDRESS_BITS = 128;
const LAST_ADDRESS = (1n << BigInt(ADDRESS_BITS)) - 1n;
// IPv4 addresses count as IPv4-mapped IPv6 addresses, ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2).
const IPV4_BITS = 32;
const IPV4_MAPPED = 0xffffn << BigInt(IPV4_BITS);

const NOT_AN_ADDRESS = -1n;

/** For keys without a network limit. Contains every string, even if it is not an address. */
export const ANYWHERE = new NetworkSet([{ first: NOT_AN_ADDRESS, last: LAST_ADDRESS }]);
export const NOWHERE = new NetworkSet([]);

// Cached, because parsing takes 2 µs and a client sends many requests from one address.
const MAX_PARSED_ADDRESSES = 10_000;
const parsedAddresses = new Map<string, bigint>();

/** Returns the set of addresses in CIDR blocks. @throws {z.ZodError} if a block is invalid */
export function toNetworkSet(networks: readonly string[]): NetworkSet {
  return new NetworkSet(networks.map(toRange));
}

/** Whether one of `others` contains every address of `network`. */
export function isPartOf(network: string, others: readonly string[]): boolean {
  const inner = toRange(network);
  return others.some((other) => {
    const outer = toRange(other);
    const isSameFamily = network.includes(':') === other.includes(':');
    return isSameFamily && outer.first <= inner.first && inner.last <= outer.last;
  });
}

function toRange(network: string): AddressRange {
  const [address, prefix] = ipaddr.parseCIDR(withoutMapping(cidrBlockSchema.parse(network)));
  const bits = address.kind() === 'ipv4' ? IPV4_BITS : ADDRESS_BITS;
  const hostMask = (1n << BigInt(bits - prefix)) - 1n;
  const number = numberOf(address);
  return { first: number & ~hostMask, last: number | hostMask };
}

function toNumber(address: string): bigint {
  const known = parsedAddresses.get(address);
  if (known !== undefined) return known;
  if (parsedAddresses.size >= MAX_PARSED_ADDRESSES) parsedAddresses.clear();
  const number = parseAddress(address);
  parsedAddresses.set(address, number);
  return number;
}

function parseAddress(address: string): bigint {
  // `ipaddr.parse` would also accept `10.1` and `0x7f.1`.
  if (isIP(address) === 0) return NOT_AN_ADDRESS;
  const [withoutZone = ''] = address.split('%', 1);
  return numberOf(ipaddr.parse(withoutMapping(withoutZone)));
}

/** ipaddr.js 2.5 parses `::10.1.2.3` as `::ffff:10.1.2.3`, but `::0:10.1.2.3` correctly. */
function withoutMapping(address: string): string {
  return address.replace(/^::(?=\d+\.)/, '::0:');
}

function numberOf(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  const number = BigInt(`0x${Buffer.from(address.toByteArray()).toString('hex')}`);
  return address.kind() === 'ipv4' ? IPV4_MAPPED | number : number;
}
