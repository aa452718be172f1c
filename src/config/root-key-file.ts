import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type RootKey, rootKeySchema } from './root-key.js';

const POLL_INTERVAL_MS = 500;

/** The keys of a file, or its problem, without its text. */
export type RootKeyFile =
  | { readonly keys: readonly RootKey[]; readonly problem?: undefined }
  | { readonly keys?: undefined; readonly problem: string };

interface Strictness {
  readonly refuseWeak: boolean;
}

const linesSchema = z.array(rootKeySchema).min(1, 'has no key');

/** Reads a mounted secret with one root key per line, plaintext or `sha256:<hex>`. */
export function readRootKeyFile(path: string, strictness: Strictness): RootKeyFile {
  return parseRootKeys(readText(path), strictness);
}

/**
 * Passes the keys of a file on, now and after each change, until the returned function is called.
 */
export function watchRootKeyFile(
  path: string,
  strictness: Strictness,
  onChange: (file: RootKeyFile) => void,
): () => void {
  let latest: string | undefined;
  const read = () => {
    const text = readText(path);
    const digest = createHash('sha256')
      .update(text ?? 'unreadable')
      .digest('hex');
    if (digest === latest) return;
    latest = digest;
    onChange(parseRootKeys(text, strictness));
  };
  read();
  // Polls the text: a watch keeps the old target when Kubernetes swaps the symlink, and misses
  // changes made before it begins.
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
  return typeof index === 'number' ? `has a key (number ${index + 1}) that ${message}` : message;
}
