import { readFile } from 'node:fs/promises';
import type { Transport } from './api-client.js';
import { CommandFailure, wrongUsage } from './failure.js';
import { readSecret } from './terminal.js';

const KEY_VARIABLE = 'LATCHKEY_API_KEY';
const TIMEOUT_MS = 60_000;

const REMEDIES = {
  INVALID_API_KEY: `Check the key in --key-file or ${KEY_VARIABLE}: it may be expired, revoked, or not permitted from this host.`,
  DATABASE_UNAVAILABLE: 'Check the database of the server, then repeat the command.',
};

/** Sends requests to a running server. The API key must have the scopes that the requests need. */
export async function openHttpTransport(
  url: string,
  keyFile: string | undefined,
  operator: string,
): Promise<Transport> {
  const base = parseBase(url);
  const headers = {
    'x-api-key': await readKey(keyFile),
    'x-acting-user': operator,
    accept: 'application/json',
    'content-type': 'application/json',
  };
  return {
    remedies: REMEDIES,
    close: async () => undefined,
    async send({ method, path, body }) {
      try {
        const response = await fetch(base + path, {
          method,
          headers,
          ...(body !== undefined && { body: JSON.stringify(body) }),
          // A redirect could send the key to another host.
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        return { status: response.status, text: await response.text() };
      } catch (error) {
        throw new CommandFailure(
          `No response from ${base} (${reasonOf(error)}): check --url, and whether the server is running.`,
        );
      }
    },
  };
}

function parseBase(text: string): string {
  const { protocol, username, password, origin, pathname } = new URL(
    URL.canParse(text) ? text : 'invalid:',
  );
  if (!/^https?:$/.test(protocol) || username !== '' || password !== '') {
    throw wrongUsage('--url must be an http:// or https:// URL without a password.');
  }
  return origin + pathname.replace(/\/+$/, '');
}

async function readKey(file: string | undefined): Promise<string> {
  const key = file === undefined ? process.env[KEY_VARIABLE] : await readKeyFile(file);
  if (key === undefined || key.trim() === '') {
    throw wrongUsage(
      `--url needs an API key: pass a file with --key-file, or set ${KEY_VARIABLE}.`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(key.trim())) {
    throw wrongUsage(
      `The key in --key-file or ${KEY_VARIABLE} must be one line of visible ASCII characters.`,
    );
  }
  return key.trim();
}

async function readKeyFile(file: string): Promise<string> {
  if (file === '-') return readSecret('The key for the server: ');
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw wrongUsage(`--key-file cannot be read (${reasonOf(error)}).`);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return reasonOf(cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
