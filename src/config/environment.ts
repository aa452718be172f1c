import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readRootKeyFile } from '../api-keys/root-key-file.js';
import { type RootKey, rootKeySchema } from '../api-keys/root-key.js';

const MAKE_A_KEY = 'make a good one with: openssl rand -hex 32';

/** Variables that hold one secret; each may come as `<NAME>_FILE`, the path of a file that holds it. */
const SECRETS = ['DATABASE_URL', 'INTERNAL_API_KEY_PREVIOUS'] as const;

// Messages never quote the value: a mistyped variable may well hold a secret.
const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum, `must be from ${minimum} to ${maximum}`));

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

const postgresUrl = z
  .string({ error: 'is required, such as postgresql://user:password@host:5432/latchkey' })
  .refine(isPostgresUrl, 'must be a postgresql:// URL with a host, its password percent-encoded');

const environmentSchema = z
  .object({
    NODE_ENV: oneOf(['development', 'test', 'production']).default('development'),
    HOST: z.string().trim().min(1, 'must be an address').default('127.0.0.1'),
    PORT: wholeNumber(0, 65_535).default(3000),
    LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default(
      'info',
    ),
    API_DOCS: oneOf(['on', 'off']).optional(),
    DATABASE_URL: postgresUrl,
    DATABASE_POOL_MAX: wholeNumber(1, 1000).default(10),
    INTERNAL_API_KEY: rootKeySchema.optional(),
    INTERNAL_API_KEY_PREVIOUS: rootKeySchema.optional(),
    INTERNAL_API_KEY_FILE: z.string().optional(),
  })
  .superRefine(
    (environment, context) => {
      for (const [name, message] of rootKeyProblems(environment)) {
        context.addIssue({ code: 'custom', path: [name], message });
      }
    },
    // Also when another variable is wrong, so that every problem is listed at once.
    { when: () => true },
  )
  .transform(({ API_DOCS, ...environment }) => ({
    ...environment,
    API_DOCS: API_DOCS ?? (environment.NODE_ENV === 'production' ? 'off' : 'on'),
  }));

/** The checked configuration. This file is the only place that knows the names of the variables. */
export type Environment = z.output<typeof environmentSchema>;

/** The environment is not fit to start with. `problems` has a line for each variable, without its value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
}

/**
 * Reads the configuration from environment variables and the secret files that they name.
 * @throws EnvironmentError with every problem found.
 */
export function parseEnvironment(variables: NodeJS.ProcessEnv): Environment {
  // An empty variable counts as absent, so that `NAME=` in an env file means "the default".
  const present = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const { resolved, problems } = readSecretFiles(present);
  const result = environmentSchema.safeParse(resolved);
  const issues = result.error?.issues ?? [];
  const all = [...problems, ...issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)];
  if (!result.success || all.length > 0) throw new EnvironmentError(all);
  return result.data;
}

function readSecretFiles(variables: NodeJS.ProcessEnv) {
  const resolved = { ...variables };
  const problems: string[] = [];
  for (const name of SECRETS) {
    const path = variables[`${name}_FILE`];
    if (path === undefined) continue;
    if (variables[name] !== undefined) problems.push(`${name}_FILE: set it or ${name}, not both`);
    const text = readText(path);
    if (text === undefined) problems.push(`${name}_FILE: names a file that cannot be read`);
    else if (text === '') problems.push(`${name}_FILE: names an empty file`);
    else resolved[name] = text;
  }
  return { resolved, problems };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, searchParams, username, password } = new URL(text);
  const hasHost = hostname !== '' || searchParams.has('host');
  return /^postgres(ql)?:$/.test(protocol) && hasHost && isPercentEncoded(username + password);
}

function isPercentEncoded(text: string): boolean {
  return /^(?:[^%]|%[0-9a-f]{2})*$/i.test(text);
}

interface RootKeySettings {
  NODE_ENV: string;
  INTERNAL_API_KEY?: RootKey | undefined;
  INTERNAL_API_KEY_PREVIOUS?: RootKey | undefined;
  INTERNAL_API_KEY_FILE?: string | undefined;
}

function* rootKeyProblems(
  settings: RootKeySettings,
): Generator<[variable: string, message: string]> {
  const refuseWeak = settings.NODE_ENV === 'production';
  const {
    INTERNAL_API_KEY: key,
    INTERNAL_API_KEY_PREVIOUS: previous,
    INTERNAL_API_KEY_FILE: file,
  } = settings;
  if (key === undefined && file === undefined)
    yield ['INTERNAL_API_KEY', `is required; ${MAKE_A_KEY}`];
  for (const [name, weakness] of Object.entries({
    INTERNAL_API_KEY: key?.weakness,
    INTERNAL_API_KEY_PREVIOUS: previous?.weakness,
  })) {
    if (refuseWeak && weakness)
      yield [name, `is ${weakness}: refused in production; ${MAKE_A_KEY}`];
  }
  if (file === undefined) return;
  if (key !== undefined || previous !== undefined) {
    yield ['INTERNAL_API_KEY_FILE', 'holds all root keys: set it or INTERNAL_API_KEY, not both'];
  }
  const { problem } = readRootKeyFile(file, { refuseWeak });
  if (problem !== undefined) yield ['INTERNAL_API_KEY_FILE', `names a file that ${problem}`];
}
