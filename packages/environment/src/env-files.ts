import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';

type Variables = Record<string, string | undefined>;

/** The file in which `npm start` stores its variables for commands in another terminal. */
export const START_FILE = '.data/start.env';

const DATABASE_VARIABLE = /^(DATABASE|DIRECT)_URL(_FILE)?$/;

/**
 * Sets variables that are not set yet. The sources are `.env.local`, then `.env`, then the latest
 * `npm start` (DATABASE_URL only). Outside development or with `ENV_FILES=off`, sets none.
 */
export function loadEnvFiles(variables: Variables = process.env): void {
  const isDevelopment = !variables.NODE_ENV || variables.NODE_ENV === 'development';
  if (!isDevelopment || variables.ENV_FILES === 'off') return;
  const start = { DATABASE_URL: readEnvFile(START_FILE).DATABASE_URL };
  let hasDatabase = namesDatabase(variables);
  for (const source of [readEnvFile('.env.local'), readEnvFile('.env'), start]) {
    for (const [name, value] of Object.entries(source)) {
      if (value === undefined || name in variables) continue;
      // DATABASE_URL of one database must not be combined with DIRECT_URL of another.
      if (!(hasDatabase && DATABASE_VARIABLE.test(name))) variables[name] = value;
    }
    hasDatabase ||= namesDatabase(source);
  }
}

function namesDatabase(variables: Variables): boolean {
  return Object.entries(variables).some(([name, value]) => value && DATABASE_VARIABLE.test(name));
}

/** Loads the env files and then the variables of the latest `npm start`, which take precedence. */
export function loadStartVariables(variables: Variables = process.env): void {
  loadEnvFiles(variables);
  if (variables.ENV_FILES !== 'off') Object.assign(variables, readEnvFile(START_FILE));
}

/** Returns the non-empty variables of a file; none if the file does not exist. */
export function readEnvFile(path: string): Variables {
  const file = resolve(path);
  if (!existsSync(file)) return {};
  const variables: Variables = parseEnv(readFileSync(file, 'utf8'));
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
}
