import { MINIMUM_SECRET_BYTES, PUBLIC_KEY_ALGORITHMS } from '@latchkey/access-tokens/verifier';
import { findKeyWeakness } from '@latchkey/environment/key-strength';
import { readEnvironment } from '@latchkey/environment/read-environment';
import {
  httpUrl,
  logLevel,
  nodeEnvironment,
  oneOf,
  wholeNumber,
  wordList,
} from '@latchkey/environment/variables';
import { z } from 'zod';
import { ApiKeySource } from '../backend/api-key-source.js';

const MAKE_A_SECRET = 'make a good one with: openssl rand -hex 32';
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];
const DEVELOPMENT_ISSUER = 'latchkey-development';

const SECRETS = ['JWT_SECRET', 'MCP_ACCESS_TOKEN'] as const;

const backendVariables = z.object({
  NODE_ENV: nodeEnvironment,
  BACKEND_API_URL: httpUrl().default('http://127.0.0.1:3000'),
  INTERNAL_API_KEY: z.string().optional(),
  INTERNAL_API_KEY_FILE: z.string().optional(),
  BACKEND_CONNECT_TIMEOUT_MS: wholeNumber(1, 60_000).default(500),
  BACKEND_RESPONSE_TIMEOUT_MS: wholeNumber(1, 60_000).default(1500),
  BACKEND_TOTAL_TIMEOUT_MS: wholeNumber(1, 60_000).default(4000),
  BACKEND_FALLBACK: oneOf(['off', 'mock']).optional(),
  BACKEND_FALLBACK_IN_PRODUCTION: oneOf(['deny', 'allow']).default('deny'),
});

const variables = backendVariables.extend({
  HOST: z.string().default('127.0.0.1'),
  MCP_PORT: wholeNumber(0, 65_535).default(3001),
  MCP_PUBLIC_URL: httpUrl().optional(),
  MCP_ALLOWED_HOSTS: wordList().optional(),
  MCP_ALLOWED_ORIGINS: wordList().optional(),
  MCP_TOKEN_AUDIENCE: z.string().optional(),
  MCP_TOKEN_ARGUMENT: oneOf(['deny', 'allow']).default('deny'),
  MCP_RATE_LIMIT: wholeNumber(1, 1_000_000).default(600),
  MCP_ACCESS_TOKEN: z.string().optional(),
  JWT_SECRET: z.string().optional(),
  JWT_JWKS_URL: httpUrl().optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_ALGORITHMS: wordList()
    .pipe(z.array(oneOf(PUBLIC_KEY_ALGORITHMS)).min(1))
    .optional(),
  LOG_LEVEL: logLevel,
});

// Rules between variables are checked also when one of them is wrong by itself, so that every problem is listed.
const always = { when: () => true };

const backendSchema = backendVariables
  .superRefine(addIssues(backendProblems), always)
  .transform(withBackendDefaults);

const environmentSchema = variables
  .superRefine(addIssues(backendProblems), always)
  .superRefine(addIssues(tokenProblems), always)
  .transform(withBackendDefaults)
  .transform((environment) => {
    const publicUrl = environment.MCP_PUBLIC_URL ?? `http://localhost:${environment.MCP_PORT}/mcp`;
    const hosts = [...new Set([new URL(publicUrl).hostname, ...LOOPBACK_HOSTS])];
    return {
      ...environment,
      MCP_PUBLIC_URL: publicUrl,
      MCP_ALLOWED_HOSTS: environment.MCP_ALLOWED_HOSTS ?? hosts,
      MCP_ALLOWED_ORIGINS: environment.MCP_ALLOWED_ORIGINS ?? hosts,
      MCP_TOKEN_AUDIENCE: environment.MCP_TOKEN_AUDIENCE ?? publicUrl,
      JWT_ISSUER: environment.JWT_ISSUER ?? DEVELOPMENT_ISSUER,
      JWT_ALGORITHMS: environment.JWT_ALGORITHMS ?? [...PUBLIC_KEY_ALGORITHMS],
    };
  });

/** What a `BackendClient` needs, with or without a server around it. */
export type BackendEnvironment = z.output<typeof backendSchema>;

/** The checked configuration. This file is the only place that knows the names of the variables. */
export type Environment = z.output<typeof environmentSchema>;

/** @throws EnvironmentError with every problem found. */
export function parseBackendEnvironment(given: NodeJS.ProcessEnv): BackendEnvironment {
  return readEnvironment(backendSchema, [], given);
}

/** @throws EnvironmentError with every problem found. */
export function parseEnvironment(given: NodeJS.ProcessEnv): Environment {
  return readEnvironment(environmentSchema, SECRETS, given);
}

type BackendVariables = z.output<typeof backendVariables>;
type Variables = z.output<typeof variables>;
type Problem = readonly [variable: string, message: string];

function addIssues<Value>(findProblems: (value: Value) => Iterable<Problem>) {
  return (value: Value, context: z.core.$RefinementCtx<Value>): void => {
    for (const [name, message] of findProblems(value)) {
      context.addIssue({ code: 'custom', path: [name], message });
    }
  };
}

function withBackendDefaults<Given extends BackendVariables>({
  BACKEND_FALLBACK,
  ...environment
}: Given) {
  const byDefault: 'off' | 'mock' = environment.NODE_ENV === 'production' ? 'off' : 'mock';
  return { ...environment, BACKEND_FALLBACK: BACKEND_FALLBACK ?? byDefault };
}

function* backendProblems(environment: BackendVariables): Generator<Problem> {
  const { INTERNAL_API_KEY: key, INTERNAL_API_KEY_FILE: file } = environment;
  const production = environment.NODE_ENV === 'production';
  if (key !== undefined && file !== undefined) {
    yield ['INTERNAL_API_KEY_FILE', 'set it or INTERNAL_API_KEY, not both'];
  } else if (key === undefined && file === undefined) {
    yield ['INTERNAL_API_KEY', 'is required; it must be a key that the backend knows'];
  } else {
    const problem = ApiKeySource.findProblem(key, file, production);
    if (problem !== undefined)
      yield [file === undefined ? 'INTERNAL_API_KEY' : 'INTERNAL_API_KEY_FILE', problem];
  }
  const forced = environment.BACKEND_FALLBACK_IN_PRODUCTION === 'allow';
  if (production && environment.BACKEND_FALLBACK === 'mock' && !forced) {
    yield [
      'BACKEND_FALLBACK',
      'mock shows invented users: refused in production, unless BACKEND_FALLBACK_IN_PRODUCTION=allow',
    ];
  }
}

function* tokenProblems(environment: Variables): Generator<Problem> {
  const { JWT_SECRET: secret, JWT_JWKS_URL: keySet } = environment;
  if ((secret === undefined) === (keySet === undefined)) {
    yield ['JWT_SECRET', `set it or JWT_JWKS_URL, exactly one; ${MAKE_A_SECRET}`];
  }
  if (secret !== undefined && environment.JWT_ALGORITHMS !== undefined) {
    yield ['JWT_ALGORITHMS', 'is for JWT_JWKS_URL: a shared secret always means HS256'];
  }
  if (secret !== undefined && Buffer.byteLength(secret) < MINIMUM_SECRET_BYTES) {
    yield ['JWT_SECRET', `must have ${MINIMUM_SECRET_BYTES} bytes at least; ${MAKE_A_SECRET}`];
  }
  if (environment.NODE_ENV === 'production') yield* productionProblems(environment);
}

function* productionProblems(environment: Variables): Generator<Problem> {
  const weakness = environment.JWT_SECRET && findKeyWeakness(environment.JWT_SECRET);
  if (weakness) yield ['JWT_SECRET', `is ${weakness}: refused in production; ${MAKE_A_SECRET}`];
  for (const name of ['MCP_PUBLIC_URL', 'JWT_JWKS_URL'] as const) {
    if (environment[name]?.startsWith('http:')) yield [name, 'must be https:// in production'];
  }
  for (const name of ['MCP_PUBLIC_URL', 'JWT_ISSUER'] as const) {
    if (environment[name] === undefined) yield [name, 'is required in production'];
  }
}
