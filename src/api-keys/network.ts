import { BlockList, isIP } from 'node:net';
import { networkBlock } from '@latchkey/environment/variables';

export const networkSchema = networkBlock.meta({
  description: 'A CIDR block, IPv4 or IPv6.',
  example: '10.0.0.0/8',
});

export function toBlockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const { address, prefix, family } = split(network);
    list.addSubnet(address, prefix, family);
  }
  return list;
}

/** Whether an address is in one of the networks. What is no address is in none. */
export function isWithin(networks: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && networks.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Whether every address of a network is in one of the others. */
export function isPartOf(network: string, others: readonly string[]): boolean {
  const { address, prefix, family } = split(network);
  return others.some((other) => {
    const outer = split(other);
    const sameFamily = outer.family === family && outer.prefix <= prefix;
    return sameFamily && isWithin(toBlockList([other]), address);
  });
}

function split(network: string) {
  const [address = '', prefix] = network.split('/');
  return { address, prefix: Number(prefix), family: familyOf(address) };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
