import ipaddr from 'ipaddr.js';

/**
 * Returns the network that a client is counted by: its IPv4 address, or the /64 of its IPv6
 * address, all of which one machine may have. Other texts stay unchanged.
 */
export function clientNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  // Converts an IPv4-mapped IPv6 address into the IPv4 address.
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.slice(0, 4).map((group) => group.toString(16));
  return `${groups.join(':')}::/64`;
}
