import { describe, expect, it } from 'vitest';
import { clientNetwork } from './client-network.js';

describe('clientNetwork', () => {
  it('returns an IPv4 address as it is', () => {
    expect(clientNetwork('192.0.2.7')).toBe('192.0.2.7');
  });

  it('returns the IPv4 address of an IPv4-mapped IPv6 address', () => {
    expect(clientNetwork('::ffff:192.0.2.7')).toBe('192.0.2.7');
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1:2:3:4:5', '0:0:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('returns the /64 of the IPv6 address %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });
});
