import type { FastifyReply } from 'fastify';
import type { Principal } from '../api-keys/principal.js';

/**
 * Announces that the caller's key has a successor: `Deprecation` since when (RFC 9745), and
 * `Sunset` until when the key is valid (RFC 8594), unknown for root keys.
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
