import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { findKeyWeakness } from '@latchkey/environment/key-strength';

/** A root key, which allows everything. Its plaintext is not stored. */
export interface RootKey {
  /** The key's id in logs: `root_` and the first 8 hex digits of its digest. */
  readonly id: string;
  /** SHA-256, 32 bytes. */
  readonly digest: Buffer;
  /** Why the key is easy to guess. Undefined for a strong key, or if only the digest is known. */
  readonly weakness?: string | undefined;
}

/**
 * SHA-256 of an API key, as a string with one character per byte. A `Map` finds such a string
 * faster than hex digits (docs/decisions/0035). A fast hash suffices for random keys.
 */
export function digestKey(key: string): string {
  return hash('sha256', key, 'binary');
}

const POLL_INTERVAL_MS = 500;
const EMPTY_KEY_DIGEST = digestBytes('').toString('hex');

const digestSchema = z
  .string()
  .toLowerCase()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must have 64 hex digits after sha256:')
  .transform((text) => text.slice('sha256:'.length))
  .refine((hex) => hex !== EMPTY_KEY_DIGEST, 'is the digest of an empty key')
  .transform((hex) => rootKey(Buffer.from(hex, 'hex')));

// A key must not contain a comma, because Node joins repeated headers with a comma.
const plaintextSchema = z
  .string()
  .regex(/^[\x21-\x2b\x2d-\x7e]+$/, 'must be visible ASCII characters without spaces and commas')
  .transform((text) => rootKey(digestBytes(text), findKeyWeakness(text)));

/** Parses a root key: plaintext, or `sha256:` and a hex digest. Messages do not quote the key. */
export const rootKeySchema = z.string().transform((text, context): RootKey => {
  const { data, error } = (/^sha256:/i.test(text) ? digestSchema : plaintextSchema).safeParse(text);
  if (data) return data;
  for (const { message } of error.issues) context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** The keys of a file, or a description of the file's problem, which does not quote the file. */
export type RootKeyFile =
  | { readonly keys: readonly RootKey[]; readonly problem?: undefined }
  | { readonly keys?: undefined; readonly problem: string };

interface Strictness {
  readonly refuseWeak: boolean;
}

const linesSchema = z.array(rootKeySchema).min(1, 'has no key');

/** Reads a file with one root key per line, in plaintext or as `sha256:<hex>`. */
export function readRootKeyFile(path: string, strictness: Strictness): RootKeyFile {
  return parseRootKeys(readText(path), strictness);
}

/**
 * Passes the keys of a file to `onChange` now and after each change, until the returned function is
 * called.
 */
export function watchRootKeyFile(
  path: string,
  strictness: Strictness,
  onChange: (file: RootKeyFile) => void,
): () => void {
  let latest: string | undefined;
  const read = () => {
    const text = readText(path);
    const digest = hash('sha256', text ?? 'unreadable');
    if (digest === latest) return;
    latest = digest;
    onChange(parseRootKeys(text, strictness));
  };
  read();
  // Polls the text, because `fs.watch` keeps watching the old target when Kubernetes swaps the
  // symlink, and misses changes that are made before it starts.
  const timer = setInterval(read, POLL_INTERVAL_MS).unref();
  return () => clearInterval(timer);
}

function parseRootKeys(text: string | undefined, { refuseWeak }: Strictness): RootKeyFile {
  if (text === undefined) return { problem: 'cannot be read' };
  const lines = text.split('\n').map((line) => line.trim());
  const { data: keys, error } = linesSchema.safeParse(lines.filter((line) => line !== ''));
  if (error) return { problem: error.issues.map(describeIssue).join('; ') };
  const weak = keys.find((key) => key.weakness !== undefined);
  return refuseWeak && weak ? { problem: `has a key that is ${weak.weakness}` } : { keys };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function describeIssue({ path: [index], message }: z.core.$ZodIssue): string {
  return typeof index === 'number'
    ? `has an invalid key (number ${index + 1}), which ${message}`
    : message;
}

function digestBytes(key: string): Buffer {
  return Buffer.from(digestKey(key), 'binary');
}

function rootKey(digest: Buffer, weakness?: string): RootKey {
  return { id: `root_${digest.toString('hex', 0, 4)}`, digest, weakness };
}
