import { describe, expect, it } from 'vitest';
import { sourceOf } from './source.js';

describe('the source that failures are counted for', () => {
  it('is an IPv4 address itself', () => {
    expect(sourceOf('192.0.2.7')).toBe('192.0.2.7');
  });

  it('is that address too where it comes in IPv6’s notation', () => {
    expect(sourceOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1:2:3:4:5', '0:0:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('is the /64 of the IPv6 address %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});
