import { hash } from 'node:crypto';
import type { DigestWords } from './digest-table.js';

const DIGEST_BYTES = 32;

/**
 * The SHA-256 digest of the key that is being verified. One place for all of them, since verification never waits: a
 * buffer for each digest takes longer than the digest itself.
 */
export class KeyDigest {
  readonly bytes = Buffer.alloc(DIGEST_BYTES);
  readonly words: DigestWords = asWords(this.bytes);

  of(key: string): this {
    // By way of hex, which Node makes in a third of the time of a new buffer.
    this.bytes.write(hash('sha256', key, 'hex'), 'hex');
    return this;
  }
}

/** A digest in hex as words. */
export function digestWords(hex: string): DigestWords {
  const bytes = Buffer.alloc(DIGEST_BYTES);
  bytes.write(hex, 'hex');
  return asWords(bytes);
}

function asWords({ buffer, byteOffset }: Buffer): DigestWords {
  return new Uint32Array(buffer, byteOffset, DIGEST_BYTES / Uint32Array.BYTES_PER_ELEMENT);
}
