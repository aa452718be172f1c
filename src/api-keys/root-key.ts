import { hash } from 'node:crypto';
import { findKeyWeakness } from './key-strength.js';

/** A key from the environment or the key file, which holds every scope. Its plaintext is not kept. */
export interface RootKey {
  /** Names the key in logs: `root_` and the first 8 hex digits of its digest. */
  readonly id: string;
  /** SHA-256, 32 bytes. */
  readonly digest: Buffer;
  /** Why the key can be guessed, if it can. Never set for a key that was given as a digest. */
  readonly weakness?: string;
}

/** The text cannot be a root key. The message says why, without the text. */
export class RootKeyError extends Error {
  override readonly name = 'RootKeyError';
}

// No comma: Node joins repeated headers with one, so a key with a comma could not be told from two keys.
const PLAINTEXT = /^[\x21-\x2b\x2d-\x7e]+$/;
const DIGEST = /^sha256:([0-9a-f]{64})$/i;

/** SHA-256 of a presented or configured key. A fast hash is right for keys that are random. */
export function digestKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

/**
 * Reads one root key: plaintext, or `sha256:` and the hex digest of one.
 * @throws RootKeyError
 */
export function parseRootKey(text: string): RootKey {
  if (/^sha256:/i.test(text)) return parseDigest(text);
  if (!PLAINTEXT.test(text)) {
    throw new RootKeyError('must be visible ASCII characters without spaces and commas');
  }
  return rootKey(digestKey(text), findKeyWeakness(text));
}

function parseDigest(text: string): RootKey {
  const hex = DIGEST.exec(text)?.[1];
  if (hex === undefined) throw new RootKeyError('must have 64 hex digits after sha256:');
  const digest = Buffer.from(hex, 'hex');
  if (digest.equals(digestKey(''))) throw new RootKeyError('is the digest of an empty key');
  return rootKey(digest);
}

function rootKey(digest: Buffer, weakness?: string): RootKey {
  return { id: `root_${digest.toString('hex', 0, 4)}`, digest, weakness };
}
