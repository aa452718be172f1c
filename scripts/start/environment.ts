import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { START_FILE, readEnvFile } from '../../packages/environment/src/env-files.js';
import type { Configuration } from './configuration.js';
import { step } from './step.js';

const ENV_FILES = ['.env', '.env.local'];
const START_VARIABLES = [
  'AUTH_TOKEN_AUDIENCE',
  'DATABASE_URL',
  'HOST',
  'INTERNAL_API_KEY',
  'JWT_ISSUER',
  'JWT_SECRET',
  'MCP_PORT',
  'MCP_PUBLIC_URL',
  'MCP_TOKEN_AUDIENCE',
  'PORT',
];
// `npm start` prints commands that read the root key from this file, so that no log contains the
// key.
const ROOT_KEY_FILE = '.data/root-key';

/**
 * Creates or completes `.env`, then reads it and `.env.local`. The variables of the process take
 * precedence.
 * @throws Error at a line that is not `NAME=value`
 */
export async function prepareVariables(): Promise<NodeJS.ProcessEnv> {
  if (!existsSync('.env')) {
    const text = withSecret('INTERNAL_API_KEY', await readFile('.env.example', 'utf8'));
    await writeFile('.env', withSecret('JWT_SECRET', text), { mode: 0o600, flag: 'wx' });
  }
  const variables = await readVariables();
  const { NODE_ENV, JWT_SECRET, JWT_SECRET_FILE, JWT_JWKS_URL } = variables;
  // Production needs no JWT_SECRET, because a token issuer signs access tokens with its own keys.
  if (NODE_ENV === 'production' || JWT_SECRET || JWT_SECRET_FILE || JWT_JWKS_URL) return variables;
  await step('Add JWT_SECRET to .env', async () =>
    writeFile('.env', withSecret('JWT_SECRET', await readFile('.env', 'utf8'))),
  );
  return readVariables();
}

/**
 * Writes the variables of this start to a private file, for commands in other terminals.
 * @returns the shell expression that stands for the root key in printed commands
 */
export async function saveVariables({ variables, environment }: Configuration['backend']) {
  const saved: NodeJS.ProcessEnv = { ...variables, DATABASE_URL: environment.DATABASE_URL };
  const lines = START_VARIABLES.map((name) => `${name}=${quoted(saved[name] ?? '')}\n`);
  await writePrivateFile(START_FILE, lines.join(''));
  const { INTERNAL_API_KEY: given, INTERNAL_API_KEY_FILE: file } = variables;
  const keys = given || (file ? await readFile(file, 'utf8') : '');
  const [key = ''] = keys.trim().split(/\s+/);
  // If only the digest of the key is known, the user must replace `<key>` in the commands.
  if (key === '' || /^sha256:/i.test(key)) return '<key>';
  await writePrivateFile(ROOT_KEY_FILE, key);
  return `$(cat ${ROOT_KEY_FILE})`;
}

/** Atomically writes a file that only its owner can read. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, text, { mode: 0o600 });
  await rename(unfinished, path);
}

/** Quotes a value with a quotation mark that the value does not contain. */
function quoted(value: string): string {
  const quote = ["'", '"', '`'].find((character) => !value.includes(character)) ?? '';
  return `${quote}${value}${quote}`;
}

/** Sets a variable to a new random secret, in the line with the empty variable or in a new line. */
function withSecret(name: string, text: string): string {
  const line = `${name}=${randomBytes(32).toString('hex')}`;
  const empty = new RegExp(`^(export[ \\t]+)?${name}=[ \\t]*$`, 'm');
  if (empty.test(text)) return text.replace(empty, line);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

async function readVariables(): Promise<NodeJS.ProcessEnv> {
  for (const path of ENV_FILES.filter(existsSync)) checkLines(path, await readFile(path, 'utf8'));
  return { ...readEnvFile('.env'), ...readEnvFile('.env.local'), ...process.env };
}

/** @throws Error at the first line that Node's parser would silently skip */
function checkLines(path: string, text: string): void {
  // Quoted values may span several lines: reduce them to their line breaks.
  const quotedValue = /(?<=^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*)(["'`])[^]*?\1/gm;
  const lines = text.replace(quotedValue, (value) => value.replace(/[^\n]/g, '')).split(/\r?\n/);
  const broken = lines.findIndex((line) => !/^\s*((export\s+)?[\w.-]+\s*=.*|#.*)?$/.test(line));
  if (broken !== -1)
    throw new Error(`Line ${broken + 1} of ${path} is not NAME=value: correct it.`);
}
