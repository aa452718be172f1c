import type { FastifyReply } from 'fastify';
import type { Principal } from '../api-keys/principal.js';

/**
 * Tells a caller that its key has a successor: `Deprecation`, since when (RFC 9745), and `Sunset`, until when the key
 * is still good (RFC 8594). Nobody has said that of a root key.
 */
export function announceRetirement(
  { deprecatedSince, sunsetAt }: Principal,
  reply: FastifyReply,
): void {
  if (deprecatedSince !== undefined) {
    void reply.header('deprecation', `@${Math.floor(deprecatedSince / 1000)}`);
  }
  if (sunsetAt !== undefined) void reply.header('sunset', new Date(sunsetAt).toUTCString());
}
