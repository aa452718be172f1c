import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPartOf, networkSchema, toNetworkSet } from './network.js';

describe('a network', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
  ])('may be %s, which means %s', (given, meant) => {
    expect(networkSchema.parse(given)).toBe(meant);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '010.0.0.0/8',
    '2001:db8::/129',
    'fe80::1%eth0',
    'a',
    '/8',
  ])('may not be "%s"', (given) => {
    expect(networkSchema.safeParse(given).success).toBe(false);
  });
});

describe('the network check', () => {
  const ipv4 = fc.ipV4();
  const mapped = ipv4.map((address) => `::ffff:${address}`);
  const zoned = fc.ipV6().map((address) => `${address}%eth0`);
  // The first 16 bits of these addresses are equal, so many of them are in the generated blocks.
  const near = fc.nat({ max: 0xffff }).map((low) => `10.0.${low >> 8}.${low & 0xff}`);
  const address = fc.oneof(ipv4, near, fc.ipV6(), mapped, zoned, fc.string());
  const block = fc.oneof(
    fc.tuple(fc.oneof(ipv4, near), fc.nat({ max: 32 })),
    fc.tuple(fc.oneof(fc.ipV6(), mapped), fc.nat({ max: 128 })),
  );

  it('agrees with the BlockList of Node for any blocks and any address', () => {
    const blocks = fc.array(block, { maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(blocks, fc.array(address), (given, addresses) => {
        const model = new BlockList();
        for (const [start, prefix] of given) model.addSubnet(start, prefix, familyOf(start));
        const networks = toNetworkSet(given.map(([start, prefix]) => `${start}/${prefix}`));
        for (const each of [...addresses, ...given.map(([start]) => start)]) {
          expect(networks.contains(each)).toBe(
            isIP(each) !== 0 && model.check(each, familyOf(each)),
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  it('does not treat the IPv4-compatible address ::10.1.2.3 as 10.1.2.3', () => {
    expect(toNetworkSet(['10.0.0.0/8']).contains('::10.1.2.3')).toBe(false);
    expect(toNetworkSet(['::10.1.2.3/128']).contains('10.1.2.3')).toBe(false);
    expect(toNetworkSet(['::10.1.2.3/128']).contains('::10.1.2.3')).toBe(true);
  });

  it('still recognizes an address after 10,000 others have filled the cache', () => {
    const networks = toNetworkSet(['10.1.2.3/32']);
    for (let number = 0; number <= 10_000; number++) networks.contains(`address ${number}`);
    expect(networks.contains('10.1.2.3')).toBe(true);
  });
});

const familyOf = (address: string) => (address.includes(':') ? 'ipv6' : 'ipv4');

describe('an address', () => {
  const networks = toNetworkSet(['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32']);

  it.each(['10.1.2.3', '192.0.2.7', '2001:db8:1::1', '::ffff:10.1.2.3', '::ffff:a01:203'])(
    '%s is in the set of networks',
    (address) => {
      expect(networks.contains(address)).toBe(true);
    },
  );

  it.each(['11.0.0.1', '192.0.2.8', '2001:db9::1', '::1', '', 'unknown', '10.0.0.1, 10.0.0.2'])(
    '"%s" is not in the set of networks',
    (address) => {
      expect(networks.contains(address)).toBe(false);
    },
  );
});

describe('isPartOf', () => {
  it.each([
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.0.0.0/7', '10.0.0.0/8', false],
    ['11.0.0.0/16', '10.0.0.0/8', false],
    ['0.0.0.0/0', '10.0.0.0/8', false],
    ['2001:db8:1::/48', '2001:db8::/32', true],
    ['::ffff:10.0.0.0/128', '10.0.0.0/8', false],
  ])('for %s in %s returns %s', (inner, outer, expected) => {
    expect(isPartOf(inner, ['198.51.100.0/24', outer])).toBe(expected);
  });
});
