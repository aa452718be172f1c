import type { FastifyRequest } from 'fastify';

const MAX_LENGTH = 64;

/** What the caller calls itself: the first product of its `User-Agent`, such as `latchkey-mcp/0.1.0`. */
export function clientNameOf({ headers }: FastifyRequest): string | null {
  const [product = ''] = (headers['user-agent'] ?? '').split(' ', 1);
  return product === '' ? null : product.slice(0, MAX_LENGTH).replaceAll(/[^\x21-\x7e]/g, '?');
}
