import { isIPv6 } from 'node:net';

// Excludes the "," that RFC 3986 allows, because some proxies join repeated Host fields with it.
const HOST = /^(?:\[([\dA-Fa-f:.]+)\]|((?:[\w\-.~!$&'()*+;=]|%[\dA-Fa-f]{2})+))(?::(\d*))?$/;
const MAX_PORT = 65_535;

/**
 * Parses the value of a Host field (RFC 9110 section 7.2): a name, an IPv4 address or a bracketed
 * IPv6 address, and an optional port. An empty host is malformed: http URIs forbid it.
 * @returns the host in lower case, or undefined if it is malformed. IPv6 addresses are canonical.
 */
export function parseHost(value: string): string | undefined {
  const [, ipv6, name, port = ''] = HOST.exec(value) ?? [];
  if (Number(port) > MAX_PORT) return undefined;
  if (ipv6 === undefined) return name?.toLowerCase();
  return isIPv6(ipv6) ? new URL(`http://[${ipv6}]`).hostname : undefined;
}
