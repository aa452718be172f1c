import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { findKeyWeakness } from '@latchkey/environment/key-strength';

const HEADER_VALUE = /^[\x21-\x2b\x2d-\x7e]+$/;

interface KeyVariables {
  readonly NODE_ENV: string;
  readonly INTERNAL_API_KEY?: string | undefined;
  readonly INTERNAL_API_KEY_FILE?: string | undefined;
}

/**
 * The key for the backend: `INTERNAL_API_KEY`, or the first plaintext line of
 * `INTERNAL_API_KEY_FILE`.
 */
export class ApiKeySource {
  private key: string;
  private readonly file: string | undefined;

  constructor(private readonly variables: KeyVariables) {
    const { INTERNAL_API_KEY: key = '', INTERNAL_API_KEY_FILE: file } = variables;
    this.file = file;
    this.key = file === undefined ? key : (firstKey(readFileSync(file, 'utf8')) ?? '');
  }

  /** Says what is wrong with the configured key, without it. */
  static findProblem(variables: KeyVariables): string | undefined {
    let key: string;
    try {
      key = new ApiKeySource(variables).current;
    } catch {
      return 'names a file that cannot be read';
    }
    if (key === '') return 'names a file without a plaintext key';
    if (!HEADER_VALUE.test(key))
      return 'must be visible ASCII characters without spaces and commas';
    const weakness = findWeakness(key, variables);
    return weakness && `is ${weakness}: refused in production`;
  }

  get current(): string {
    return this.key;
  }

  /**
   * Reads the file again, after a key was refused. A file that can't be used leaves the key as it
   * is.
   */
  async refresh(): Promise<void> {
    if (this.file === undefined) return;
    const text = await readFile(this.file, 'utf8').catch(() => '');
    const key = firstKey(text);
    if (key === undefined || !HEADER_VALUE.test(key)) return;
    if (findWeakness(key, this.variables) === undefined) this.key = key;
  }
}

function findWeakness(key: string, { NODE_ENV }: KeyVariables): string | undefined {
  return NODE_ENV === 'production' ? findKeyWeakness(key) : undefined;
}

// The backend's own key file may hold several keys, and digests, which are of no use for a caller.
function firstKey(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '' && !/^sha256:/i.test(line));
}
