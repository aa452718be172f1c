import ipaddr from 'ipaddr.js';

/**
 * Returns the network to which a client's limits apply: the IPv4 address, or the /64 of the IPv6
 * address. One machine may use a whole /64. Text that is not an address stays unchanged.
 */
export function clientNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  // Converts an IPv4-mapped IPv6 address into the IPv4 address.
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.slice(0, 4).map((group) => group.toString(16));
  return `${groups.join(':')}::/64`;
}
