import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { z } from 'zod';
import { type RootKey, rootKeySchema } from './root-key.js';

const POLL_INTERVAL_MS = 500;

/** The keys of a file, or what is wrong with it, without its text. */
export type RootKeyFile =
  | { readonly keys: readonly RootKey[]; readonly problem?: undefined }
  | { readonly keys?: undefined; readonly problem: string };

const linesSchema = z.array(rootKeySchema).min(1, 'has no key');

/** Reads a mounted secret with one root key a line, plaintext or `sha256:<hex>`; blank lines are skipped. */
export function readRootKeyFile(
  path: string,
  { refuseWeak }: { refuseWeak: boolean },
): RootKeyFile {
  const text = readText(path);
  if (text === undefined) return { problem: 'cannot be read' };
  const lines = text.split('\n').map((line) => line.trim());
  const { data: keys, error } = linesSchema.safeParse(lines.filter((line) => line !== ''));
  if (error) return { problem: error.issues.map(describeIssue).join('; ') };
  const weak = keys.find((key) => key.weakness !== undefined);
  return refuseWeak && weak ? { problem: `has a key that is ${weak.weakness}` } : { keys };
}

/** Calls back whenever the file changes, until the answered function is called. */
export function watchRootKeyFile(path: string, onChange: () => void): () => void {
  // Polls the path's stat, since a watch would stay on the old target when Kubernetes swaps the symlink.
  watchFile(path, { interval: POLL_INTERVAL_MS, persistent: false }, onChange);
  return () => unwatchFile(path, onChange);
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
