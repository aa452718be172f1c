import { readFileSync } from 'node:fs';
import { type RootKey, RootKeyError, parseRootKey } from './root-key.js';

/**
 * Reads a mounted secret with one root key a line, plaintext or `sha256:<hex>`; blank lines are skipped.
 * @throws RootKeyError if the file can't be read, has no key, or has a line that is not one.
 */
export function readRootKeyFile(path: string): RootKey[] {
  const lines = readText(path).split('\n');
  const keys = lines.flatMap((line, index) => parseLine(line.trim(), index + 1));
  if (keys.length === 0) throw new RootKeyError('names a file without a key');
  return keys;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new RootKeyError('names a file that cannot be read');
  }
}

function parseLine(line: string, lineNumber: number): RootKey[] {
  if (line === '') return [];
  try {
    return [parseRootKey(line)];
  } catch (error) {
    if (!(error instanceof RootKeyError)) throw error;
    throw new RootKeyError(`line ${lineNumber} ${error.message}`);
  }
}
