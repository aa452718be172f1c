import {
  findTokenProblems,
  tokenVariables,
  verifierSettings,
} from '@latchkey/access-tokens/token-variables';
import { withSearchPath } from '@latchkey/environment/database-url';
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
import { KEY_ENVIRONMENTS, type KeyEnvironment } from './key-environment.js';
import { labelsSchema } from './labels.js';
import { readRootKeyFile, rootKeySchema } from './root-key.js';

const MAKE_A_KEY = 'generate one with: openssl rand -hex 32';

/** Variables that contain a secret. `<NAME>_FILE` may name a file with the secret instead. */
export const SECRETS = [
  'DATABASE_URL',
  'DIRECT_URL',
  'INTERNAL_API_KEY_PREVIOUS',
  'JWT_SECRET',
  'REDIS_URL',
  'ALERT_WEBHOOK_URL',
  'ALERT_WEBHOOK_SECRET',
] as const;

const DEFAULT_KEY_ENVIRONMENTS = {
  production: 'live',
  test: 'test',
  development: 'dev',
} as const satisfies Record<string, KeyEnvironment>;

export const postgresUrl = z
  .string({ error: 'is required, such as postgresql://user:password@host:5432/latchkey' })
  .refine(isPostgresUrl, 'must be a postgresql:// URL with a host and a percent-encoded password')
  .transform(withSearchPath);

const redisUrl = z
  .string()
  .refine(
    isRedisUrl,
    'must be a redis:// or rediss:// URL with a host and a percent-encoded password',
  );

// Allows a path and a query, because webhook URLs contain a secret there, for example in Slack.
const webhookUrl = z
  .string()
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text),
    'must be an http:// or https:// URL',
  );

export const variables = z.object({
  NODE_ENV: nodeEnvironment,
  HOST: z.string().trim().min(1, 'must be an address').default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3000),
  LOG_LEVEL: logLevel,
  DRAIN_SECONDS: wholeNumber(0, 300).optional(),
  KEEP_ALIVE_SECONDS: wholeNumber(1, 3600).default(4),
  API_DOCS: oneOf(['on', 'off']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: wholeNumber(0, 65_535).optional(),
  DATABASE_URL: postgresUrl,
  DATABASE_URL_FILE: z.string().optional(),
  DIRECT_URL: postgresUrl.optional(),
  DIRECT_URL_FILE: z.string().optional(),
  DATABASE_POOL_MAX: wholeNumber(1, 1000).default(10),
  INTERNAL_API_KEY: rootKeySchema.optional(),
  INTERNAL_API_KEY_PREVIOUS: rootKeySchema.optional(),
  INTERNAL_API_KEY_FILE: z.string().optional(),
  API_KEY_ENVIRONMENT: oneOf(KEY_ENVIRONMENTS).optional(),
  LIMITS: oneOf(['on', 'off']).default('on'),
  KEY_RATE_LIMIT: wholeNumber(1, 10_000_000).default(60_000),
  KEY_CONCURRENCY_LIMIT: wholeNumber(1, 100_000).default(256),
  KEY_USERS_LIMIT: wholeNumber(1, 1_000_000_000).default(100_000),
  KEY_MISSES_LIMIT: wholeNumber(1, 1_000_000_000).default(1000),
  SOURCE_FAILURE_LIMIT: wholeNumber(1, 10_000_000).default(100),
  REDIS_URL: redisUrl.optional(),
  USAGE_RECORDING: oneOf(['on', 'off']).default('on'),
  ALERT_WEBHOOK_URL: webhookUrl.optional(),
  ALERT_WEBHOOK_SECRET: z.string().min(16, 'must have 16 characters or more').optional(),
  ALERT_SOURCE_FAILURES: wholeNumber(1, 1_000_000).default(20),
  ALERT_FAILING_SOURCES: wholeNumber(1, 10_000).default(20),
  ALERT_KEY_EXPIRY_DAYS: wholeNumber(1, 365).default(7),
  ALERT_KEY_UNUSED_DAYS: wholeNumber(1, 365).default(30),
  ALERT_QUIET_SECONDS: wholeNumber(1, 86_400).default(300),
  TRUSTED_PROXIES: wordList().pipe(z.array(networkBlock)).default([]),
  NEW_USER_PERMISSIONS: wordList().pipe(labelsSchema).default([]),
  AUTH_TOKEN_AUDIENCE: z.string().optional(),
  ...tokenVariables,
});

const environmentSchema = variables
  .superRefine(reportProblems(rootKeyProblems), always)
  .superRefine(
    reportProblems((environment) => findTokenProblems(environment, { required: false })),
    always,
  )
  .transform(
    ({ API_DOCS, API_KEY_ENVIRONMENT, AUTH_TOKEN_AUDIENCE, DRAIN_SECONDS, ...environment }) => ({
      ...environment,
      API_KEY_ENVIRONMENT: API_KEY_ENVIRONMENT ?? DEFAULT_KEY_ENVIRONMENTS[environment.NODE_ENV],
      DRAIN_SECONDS: DRAIN_SECONDS ?? defaultDrainSeconds(environment.NODE_ENV),
      API_DOCS: API_DOCS ?? (environment.NODE_ENV === 'production' ? 'off' : 'on'),
      accessTokens: verifierSettings(
        environment,
        AUTH_TOKEN_AUDIENCE ?? `http://localhost:${environment.PORT}`,
      ),
    }),
  );

/** The validated configuration. */
export type Environment = z.output<typeof environmentSchema>;

/**
 * Reads and validates the variables and secret files.
 * @throws EnvironmentError with all problems
 */
export function parseEnvironment(given: NodeJS.ProcessEnv): Environment {
  return readEnvironment(environmentSchema, SECRETS, given);
}

/** Returns a warning for each variable whose name is probably misspelled. */
export function misspelledVariables(given: NodeJS.ProcessEnv): string[] {
  const files = SECRETS.map((name) => `${name}_FILE`);
  return findMisspelled(Object.keys(given), [...Object.keys(variables.shape), ...files]);
}

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, searchParams, username, password } = new URL(text);
  const hasHost = hostname !== '' || searchParams.has('host');
  return /^postgres(ql)?:$/.test(protocol) && hasHost && isPercentEncoded(username + password);
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return /^rediss?:$/.test(protocol) && hostname !== '' && isPercentEncoded(username + password);
}

function isPercentEncoded(text: string): boolean {
  return /^(?:[^%]|%[0-9a-f]{2})*$/i.test(text);
}

function* rootKeyProblems(settings: z.output<typeof variables>): Generator<VariableProblem> {
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
    yield [
      'INTERNAL_API_KEY_FILE',
      'contains all root keys; set INTERNAL_API_KEY or INTERNAL_API_KEY_FILE, not both',
    ];
  }
  const { problem } = readRootKeyFile(file, { refuseWeak });
  if (problem !== undefined) yield ['INTERNAL_API_KEY_FILE', `the file ${problem}`];
}
