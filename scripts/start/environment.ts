import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { parse } from 'dotenv';
import { step } from './step.js';

const TOKEN_KEYS = ['JWT_SECRET', 'JWT_SECRET_FILE', 'JWT_JWKS_URL'];

/**
 * The variables of `.env`, which is made or completed first; those of the process win.
 * Throws at a line that is no variable.
 */
export async function prepareVariables(signal: AbortSignal): Promise<NodeJS.ProcessEnv> {
  if (!existsSync('.env')) await createEnvironmentFile();
  const variables = await readVariables();
  // In production the tokens have an issuer, whose keys nobody can make up.
  const isComplete = TOKEN_KEYS.some((name) => variables[name]);
  if (isComplete || variables.NODE_ENV === 'production') return variables;
  await step('Add JWT_SECRET to .env', signal, addTokenSecret);
  return readVariables();
}

/** Makes `.env` from `.env.example`, with secrets of its own. */
async function createEnvironmentFile(): Promise<void> {
  const example = await readFile('.env.example', 'utf8');
  const text = withSecret('JWT_SECRET', withSecret('INTERNAL_API_KEY', example));
  await writeFile('.env', text, { mode: 0o600, flag: 'wx' });
}

async function addTokenSecret(): Promise<void> {
  await writeFile('.env', withSecret('JWT_SECRET', await readFile('.env', 'utf8')));
}

/** `text` with a fresh secret in the line that leaves the variable empty, or in a new one. */
function withSecret(name: string, text: string): string {
  const line = `${name}=${randomBytes(32).toString('hex')}`;
  const empty = new RegExp(`^(export[ \\t]+)?${name}=[ \\t]*$`, 'm');
  if (empty.test(text)) return text.replace(empty, line);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

async function readVariables(): Promise<NodeJS.ProcessEnv> {
  const text = await readFile('.env', 'utf8');
  // Quoted values may go over several lines; dotenv itself passes over what it can't read.
  const lines = text.replace(/(?<==[ \t]*)(["'`])[^]*?\1/g, keepLineBreaks).split(/\r?\n/);
  const broken = lines.findIndex((line) => !/^\s*((export\s+)?[\w.-]+\s*=.*|#.*)?$/.test(line));
  if (broken !== -1) throw new Error(`Line ${broken + 1} of .env is not NAME=value: correct it.`);
  return { ...parse(text), ...process.env };
}

function keepLineBreaks(quoted: string): string {
  return quoted.replace(/[^\n]/g, '');
}
