import {
  findTokenProblems,
  tokenVariables,
  verifierSettings,
} from '@latchkey/access-tokens/token-variables';
import { findMisspelled } from '@latchkey/environment/misspelled';
import {
  always,
  readEnvironment,
  reportProblems,
  type VariableProblem,
} from '@latchkey/environment/read-environment';
import {
  defaultDrainSeconds,
  httpUrl,
  logLevel,
  networkBlock,
  nodeEnvironment,
  oneOf,
  wholeNumber,
  wordList,
} from '@latchkey/environment/variables';
import { z } from 'zod';
import { ApiKeySource } from './api-key-source.js';

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

// `HostGuard` compares these names as text with the hosts in headers, so a name with upper case,
// a scheme or a port would never match.
const hostName = z
  .string()
  .refine(isHostName, 'must be host names in lower case, without scheme or port');
const hostNames = wordList()
  .pipe(z.array(hostName).min(1, 'must name at least one host'))
  .optional();

export const SECRETS = ['JWT_SECRET', 'MCP_ACCESS_TOKEN'] as const;

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

export const variables = backendVariables.extend({
  HOST: z.string().default('127.0.0.1'),
  MCP_PORT: wholeNumber(0, 65_535).default(3001),
  MCP_PUBLIC_URL: httpUrl().optional(),
  TRUSTED_PROXIES: wordList().pipe(z.array(networkBlock)).default([]),
  MCP_ALLOWED_HOSTS: hostNames,
  MCP_ALLOWED_ORIGINS: hostNames,
  MCP_TOKEN_AUDIENCE: z.string().optional(),
  MCP_TOKEN_ARGUMENT: oneOf(['deny', 'allow']).default('deny'),
  MCP_RATE_LIMIT: wholeNumber(1, 1_000_000).default(600),
  MCP_TOKEN_FAILURE_LIMIT: wholeNumber(1, 1_000_000).default(100),
  MCP_ACCESS_TOKEN: z.string().optional(),
  ...tokenVariables,
  LOG_LEVEL: logLevel,
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  METRICS_HOST: z.string().default('127.0.0.1'),
  MCP_METRICS_PORT: wholeNumber(0, 65_535).optional(),
  DRAIN_SECONDS: wholeNumber(0, 300).optional(),
});

const backendSchema = backendVariables
  .superRefine(reportProblems(backendProblems), always)
  .transform(withBackendDefaults);

const environmentSchema = variables
  .superRefine(reportProblems(serverProblems), always)
  .transform(withBackendDefaults)
  .transform((environment) => {
    const publicUrl = environment.MCP_PUBLIC_URL ?? `http://localhost:${environment.MCP_PORT}/mcp`;
    const hosts = [...new Set([new URL(publicUrl).hostname, ...LOOPBACK_HOSTS])];
    const audience = environment.MCP_TOKEN_AUDIENCE ?? publicUrl;
    return {
      ...environment,
      backend: environment,
      DRAIN_SECONDS: environment.DRAIN_SECONDS ?? defaultDrainSeconds(environment.NODE_ENV),
      MCP_PUBLIC_URL: publicUrl,
      MCP_ALLOWED_HOSTS: environment.MCP_ALLOWED_HOSTS ?? hosts,
      MCP_ALLOWED_ORIGINS: environment.MCP_ALLOWED_ORIGINS ?? hosts,
      accessTokens: verifierSettings(environment, audience),
    };
  });

/** The configuration of a `BackendClient`, in this server or another program. */
export type BackendEnvironment = z.output<typeof backendSchema>;

/** The validated configuration of the MCP server. */
export type Environment = z.output<typeof environmentSchema>;

/** @throws EnvironmentError with every problem found. */
export function parseBackendEnvironment(given: NodeJS.ProcessEnv): BackendEnvironment {
  return readEnvironment(backendSchema, [], given);
}

/** @throws EnvironmentError with every problem found. */
export function parseEnvironment(given: NodeJS.ProcessEnv): Environment {
  return readEnvironment(environmentSchema, SECRETS, given);
}

/** Returns a warning for each variable whose name is probably misspelled. */
export function misspelledVariables(given: NodeJS.ProcessEnv): string[] {
  const files = SECRETS.map((name) => `${name}_FILE`);
  const known = [...Object.keys(variables.shape), ...files];
  return findMisspelled(Object.keys(given), known, ['METRICS_PORT']);
}

type BackendVariables = z.output<typeof backendVariables>;
type Variables = z.output<typeof variables>;

function withBackendDefaults<Given extends BackendVariables>(environment: Given) {
  const byDefault = environment.NODE_ENV === 'production' ? 'off' : 'mock';
  return { ...environment, BACKEND_FALLBACK: environment.BACKEND_FALLBACK ?? byDefault };
}

function isHostName(word: string): boolean {
  const url = `http://${word}`;
  return URL.canParse(url) && new URL(url).hostname === word;
}

function* backendProblems(environment: BackendVariables): Generator<VariableProblem> {
  const { NODE_ENV, INTERNAL_API_KEY_FILE: file } = environment;
  const problem = ApiKeySource.findProblem(environment);
  if (problem !== undefined) {
    yield [file === undefined ? 'INTERNAL_API_KEY' : 'INTERNAL_API_KEY_FILE', problem];
  }
  const isForced = environment.BACKEND_FALLBACK_IN_PRODUCTION === 'allow';
  if (NODE_ENV === 'production' && environment.BACKEND_FALLBACK === 'mock' && !isForced) {
    yield [
      'BACKEND_FALLBACK',
      'must be off in production, because mock shows invented users; to allow mock, set BACKEND_FALLBACK_IN_PRODUCTION=allow',
    ];
  }
}

function* serverProblems(environment: Variables): Generator<VariableProblem> {
  yield* backendProblems(environment);
  yield* findTokenProblems(environment, { required: true });
  if (environment.NODE_ENV !== 'production') return;
  const { MCP_PUBLIC_URL: url } = environment;
  if (url === undefined) yield ['MCP_PUBLIC_URL', 'is required in production'];
  if (url?.startsWith('http:')) yield ['MCP_PUBLIC_URL', 'must be https:// in production'];
}
