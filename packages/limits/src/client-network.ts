import ipaddr from 'ipaddr.js';

/**
 * The network that a client is counted by: its IPv4 address, or the /64 of its IPv6 address, since one machine has all
 * addresses of a /64. A text that is not an address stays as it is.
 */
export function clientNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  // Turns an IPv4-mapped IPv6 address into the IPv4 address.
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.slice(0, 4).map((group) => group.toString(16));
  return `${groups.join(':')}::/64`;
}
