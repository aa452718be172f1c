import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { findKeyWeakness } from '@latchkey/environment/key-strength';

const HEADER_VALUE = /^[\x21-\x2b\x2d-\x7e]+$/;

interface KeyVariables {
  readonly NODE_ENV: string;
  readonly INTERNAL_API_KEY?: string;
  readonly INTERNAL_API_KEY_FILE?: string;
}

/**
 * The API key for the backend: `INTERNAL_API_KEY`, or the first plaintext key in the file
 * `INTERNAL_API_KEY_FILE`.
 */
export class ApiKeySource {
  private key: string;

  constructor(private readonly variables: KeyVariables) {
    const { INTERNAL_API_KEY: key = '', INTERNAL_API_KEY_FILE: file } = variables;
    this.key = file === undefined ? key : firstKey(readFileSync(file, 'utf8'));
  }

  /** Describes what is wrong with the configured key, without quoting it; undefined if valid. */
  static findProblem(variables: KeyVariables): string | undefined {
    const { INTERNAL_API_KEY: key, INTERNAL_API_KEY_FILE: file } = variables;
    if (key !== undefined && file !== undefined)
      return 'set INTERNAL_API_KEY or INTERNAL_API_KEY_FILE, not both';
    if (key === undefined && file === undefined) {
      return 'is required; set it to a root key or an issued key of the backend';
    }
    try {
      return findProblem(new ApiKeySource(variables).current, variables);
    } catch {
      return 'the file cannot be read';
    }
  }

  get current(): string {
    return this.key;
  }

  /**
   * Reads the key file again; keeps the current key if the file contains no valid key.
   * @returns whether the current key now differs from `used`
   */
  async hasReplaced(used: string): Promise<boolean> {
    const { INTERNAL_API_KEY_FILE: file } = this.variables;
    if (file !== undefined) {
      const key = firstKey(await readFile(file, 'utf8').catch(() => ''));
      if (findProblem(key, this.variables) === undefined) this.key = key;
    }
    return this.key !== used;
  }
}

function findProblem(key: string, variables: KeyVariables): string | undefined {
  const { NODE_ENV, INTERNAL_API_KEY_FILE: file } = variables;
  if (key === '') return 'the file contains no plaintext key';
  const subject = file === undefined ? '' : 'the key in the file ';
  if (!HEADER_VALUE.test(key))
    return `${subject}must be visible ASCII characters without spaces and commas`;
  const weakness = NODE_ENV === 'production' ? findKeyWeakness(key) : undefined;
  return weakness && `${subject}is ${weakness}: refused in production`;
}

// The file may be the backend's own key file, which may also list other keys and SHA-256 digests.
function firstKey(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '' && !/^sha256:/i.test(line)) ?? '';
}
