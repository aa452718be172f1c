import type { FastifyReply } from 'fastify';
import type { KeyVerdict } from '../api-keys/key-verifier.js';

/**
 * Tells a caller that its key has a successor: `Deprecation`, since when (RFC 9745), and `Sunset`, until when the key
 * is still good (RFC 8594).
 */
export function announceRetirement(
  { rootKey, issuedKey }: Extract<KeyVerdict, { outcome: 'admitted' }>,
  reply: FastifyReply,
): void {
  const deprecatedSince = rootKey?.deprecatedSince?.getTime() ?? issuedKey?.rotatedAt;
  if (deprecatedSince === undefined) return;
  void reply.header('deprecation', `@${Math.floor(deprecatedSince / 1000)}`);
  // Nobody has said when a root key will be taken out.
  if (issuedKey) void reply.header('sunset', new Date(issuedKey.expiresAt).toUTCString());
}
