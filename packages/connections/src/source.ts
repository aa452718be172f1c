const GROUPS = 8;
const GROUPS_OF_NETWORK = 4;

/**
 * Who a caller is by its address: the address itself for IPv4, and the /64 for IPv6, where one machine has all of the
 * addresses in it.
 */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [before = [], after = []] = address.split('::').map(groupsOf);
  const omitted = Array<string>(Math.max(GROUPS - before.length - after.length, 0)).fill('0');
  const network = [...before, ...omitted, ...after].slice(0, GROUPS_OF_NETWORK);
  return `${network.join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  if (text === '') return [];
  return text.split(':').map((group) => Number.parseInt(group, 16).toString(16));
}
