import { hash } from 'node:crypto';
import { z } from 'zod';
import { findKeyWeakness } from '@latchkey/environment/key-strength';

/** A key from the environment or the key file, which holds every scope. Its plaintext is not kept. */
export interface RootKey {
  /** Names the key in logs: `root_` and the first 8 hex digits of its digest. */
  readonly id: string;
  /** SHA-256, 32 bytes. */
  readonly digest: Buffer;
  /** Why the key can be guessed, if it can. Never set for a key that was given as a digest. */
  readonly weakness?: string | undefined;
}

/**
 * SHA-256 of a presented or configured key, as a string with one character for each byte: the
 * fastest key of a Map (docs/decisions/0035). A fast hash is right for keys that are random.
 */
export function digestKey(key: string): string {
  return hash('sha256', key, 'binary');
}

const EMPTY_KEY_DIGEST = bytesOf('').toString('hex');

const digestSchema = z
  .string()
  .toLowerCase()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must have 64 hex digits after sha256:')
  .transform((text) => text.slice('sha256:'.length))
  .refine((hex) => hex !== EMPTY_KEY_DIGEST, 'is the digest of an empty key')
  .transform((hex) => rootKey(Buffer.from(hex, 'hex')));

// No comma: Node joins repeated headers with one, so a key with a comma would look like two keys.
const plaintextSchema = z
  .string()
  .regex(/^[\x21-\x2b\x2d-\x7e]+$/, 'must be visible ASCII characters without spaces and commas')
  .transform((text) => rootKey(bytesOf(text), findKeyWeakness(text)));

/** Reads one root key: plaintext, or `sha256:` and the hex digest of one. No message quotes the text. */
export const rootKeySchema = z.string().transform((text, context): RootKey => {
  const { data, error } = (/^sha256:/i.test(text) ? digestSchema : plaintextSchema).safeParse(text);
  if (data) return data;
  for (const { message } of error.issues) context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

function bytesOf(key: string): Buffer {
  return Buffer.from(digestKey(key), 'binary');
}

function rootKey(digest: Buffer, weakness?: string): RootKey {
  return { id: `root_${digest.toString('hex', 0, 4)}`, digest, weakness };
}
