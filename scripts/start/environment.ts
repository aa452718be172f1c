import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { parse } from 'dotenv';

/** Makes `.env` from `.env.example`, with a key of its own, if there is none. */
export async function createEnvironmentFile(): Promise<void> {
  if (existsSync('.env')) return;
  const example = await readFile('.env.example', 'utf8');
  const key = randomBytes(32).toString('hex');
  const text = example.replace(/^INTERNAL_API_KEY=.*$/m, `INTERNAL_API_KEY=${key}`);
  await writeFile('.env', text, { mode: 0o600, flag: 'wx' });
}

/** The variables of `.env`; those of the process win. Throws at a line that is no variable. */
export async function readVariables(): Promise<NodeJS.ProcessEnv> {
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
