import { describe, expect, it } from 'vitest';
import { isPartOf, isWithin, networkSchema, toBlockList } from './network.js';

describe('a network', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
  ])('may be %s', (given, meant) => {
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

describe('an address', () => {
  const networks = toBlockList(['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32']);

  it.each(['10.1.2.3', '192.0.2.7', '2001:db8:1::1', '::ffff:10.1.2.3', '::ffff:a01:203'])(
    '%s is within',
    (address) => {
      expect(isWithin(networks, address)).toBe(true);
    },
  );

  it.each(['11.0.0.1', '192.0.2.8', '2001:db9::1', '::1', '', 'unknown', '10.0.0.1, 10.0.0.2'])(
    '"%s" is not',
    (address) => {
      expect(isWithin(networks, address)).toBe(false);
    },
  );
});

describe('a network of a network', () => {
  it.each([
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.0.0.0/7', '10.0.0.0/8', false],
    ['11.0.0.0/16', '10.0.0.0/8', false],
    ['0.0.0.0/0', '10.0.0.0/8', false],
    ['2001:db8:1::/48', '2001:db8::/32', true],
    ['::ffff:10.0.0.0/128', '10.0.0.0/8', false],
  ])('%s in %s: %s', (inner, outer, expected) => {
    expect(isPartOf(inner, ['198.51.100.0/24', outer])).toBe(expected);
  });
});
