import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';

type Variables = Record<string, string | undefined>;

/** `npm start` writes its variables here, for commands in another terminal. */
export const START_FILE = '.data/start.env';

/**
 * Reads `.env.local`, `.env` and the latest `npm start`'s database; the first non-empty value wins.
 */
function readEnvFiles(): Variables {
  const { DATABASE_URL } = readEnvFile(START_FILE);
  const given = { ...readEnvFile('.env'), ...readEnvFile('.env.local') };
  return given.DATABASE_URL || given.DATABASE_URL_FILE ? given : { ...given, DATABASE_URL };
}

/**
 * Adds the variables of the env files to those of the process, which win. Production and
 * `ENV_FILES=off` read no files.
 */
export function loadEnvFiles(variables: Variables = process.env): void {
  const isDevelopment = !variables.NODE_ENV || variables.NODE_ENV === 'development';
  if (!isDevelopment || variables.ENV_FILES === 'off') return;
  const hasDatabase = Boolean(variables.DATABASE_URL || variables.DATABASE_URL_FILE);
  for (const [name, value] of Object.entries(readEnvFiles())) {
    if (value === undefined || name in variables) continue;
    // Variables of two databases must not mix.
    if (!(hasDatabase && /^(DATABASE|DIRECT)_URL/.test(name))) variables[name] = value;
  }
}

/** For commands in another terminal: the variables of the latest `npm start` win. */
export function loadStartVariables(variables: Variables = process.env): void {
  loadEnvFiles(variables);
  if (variables.ENV_FILES !== 'off') Object.assign(variables, readEnvFile(START_FILE));
}

/** Returns the non-empty variables of a file; none if it does not exist. */
export function readEnvFile(path: string): Variables {
  const file = resolve(path);
  if (!existsSync(file)) return {};
  const variables: Variables = parseEnv(readFileSync(file, 'utf8'));
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
}
