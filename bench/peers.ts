import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Database } from './database.js';
import { CHECKOUT } from './checkout.js';

const POOL_SIZE = 10;
const issuedKeySchema = z.object({ secret: z.string() });
/** The key for requests to a peer, unless its `prepare` creates another key. */
export const API_KEY = randomBytes(32).toString('hex');

/** A server of `GET /api/internal/users/{id}` that takes part in the comparison. */
export interface Peer {
  readonly name: string;
  /** The name of the peer in the published figures. */
  readonly title: string;
  readonly folder: string;
  /** Arguments of `node`. */
  args(port: number): string[];
  readonly variables: NodeJS.ProcessEnv;
  /** Whether the peer needs the packages of `bench/package.json`. */
  readonly hasOwnDependencies: boolean;
  /** Whether the peer returns the same user for every request, without a key check. */
  readonly isConstant: boolean;
  /** Prepares the database for the peer. Returns the key for requests. */
  prepare(database: Database): Promise<string>;
}

const PEER = {
  folder: CHECKOUT,
  variables: {},
  hasOwnDependencies: false,
  isConstant: false,
  prepare: async () => API_KEY,
};

/** Disables the features of Latchkey that the other peers do not have. */
const LEAN = {
  MALLOC_ARENA_MAX: '2',
  LOG_LEVEL: 'silent',
  USAGE_RECORDING: 'off',
  LIMITS: 'off',
};

export const LATCHKEY: Peer = {
  ...PEER,
  name: 'latchkey',
  title: 'Latchkey, production settings',
  // The flags of the Dockerfile.
  args: () => ['--max-semi-space-size=8', '--v8-pool-size=1', 'dist/bundle/main.js'],
  variables: {
    MALLOC_ARENA_MAX: '2',
    LOG_LEVEL: 'info',
    METRICS_PORT: '0',
    // The backend counts requests against these limits, but the load never exceeds them.
    KEY_USERS_LIMIT: '1000000000',
    KEY_CONCURRENCY_LIMIT: '100000',
  },
  prepare: issueKey,
};

export const LATCHKEY_LEAN: Peer = {
  ...LATCHKEY,
  name: 'latchkey-lean',
  title: 'Latchkey, the same work as the peers',
  variables: LEAN,
};

export const FASTIFY_PG: Peer = {
  ...PEER,
  name: 'fastify-pg',
  title: 'hand-written Fastify + pg, prepared statement',
  args: () => ['bench/dist/fastify-pg/main.js'],
};

export const NESTJS_PRISMA: Peer = {
  ...PEER,
  name: 'nestjs-prisma',
  title: 'NestJS + Fastify + Prisma, the usual way',
  args: () => ['bench/dist/nestjs-prisma/main.js'],
};

export const NEXTJS_PRISMA: Peer = {
  ...PEER,
  name: 'nextjs-prisma',
  title: 'Next.js route + Prisma',
  folder: fileURLToPath(new URL('peers/nextjs-prisma', import.meta.url)),
  args: (port) => [
    '../../node_modules/next/dist/bin/next',
    'start',
    '--hostname',
    '127.0.0.1',
    '--port',
    String(port),
  ],
  variables: { NEXT_TELEMETRY_DISABLED: '1' },
  hasOwnDependencies: true,
};

export const BETTER_AUTH: Peer = {
  ...PEER,
  name: 'better-auth',
  title: 'Fastify + pg, key verified by better-auth',
  args: () => ['bench/dist/better-auth/main.js'],
  hasOwnDependencies: true,
  prepare: async (database) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['bench/dist/better-auth/create-key.js'],
      { cwd: CHECKOUT, env: variablesOf(BETTER_AUTH, database, 1) },
    );
    return stdout.trim();
  },
};

export const FASTIFY_COALESCED: Peer = {
  ...PEER,
  name: 'fastify-coalesced',
  title: 'hand-written Fastify, coalesced look-ups, compiled JSON',
  args: () => ['bench/dist/fastify-coalesced/main.js'],
};

export const NODE_HTTP: Peer = {
  ...PEER,
  name: 'node-http',
  title: 'bare node:http, constant body, no key',
  args: () => ['bench/dist/node-http/main.js'],
  isConstant: true,
};

export const PEERS: readonly Peer[] = [
  LATCHKEY,
  LATCHKEY_LEAN,
  FASTIFY_PG,
  NESTJS_PRISMA,
  NEXTJS_PRISMA,
  BETTER_AUTH,
  FASTIFY_COALESCED,
  NODE_HTTP,
];

/** Issues a key, because root keys have no limits and would hide the cost of limits. */
async function issueKey(database: Database): Promise<string> {
  const options = ['--name', 'bench', '--scopes', 'users:read', '--rate-limit', '10000000'];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['dist/cli.js', 'keys', 'create', ...options, '--reveal', '--json'],
    { cwd: CHECKOUT, env: variablesOf(LATCHKEY, database, 1) },
  );
  return issuedKeySchema.parse(JSON.parse(stdout)).secret;
}

export function variablesOf(peer: Peer, database: Database, port: number): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(port),
    DATABASE_URL: database.url,
    DATABASE_POOL_MAX: String(POOL_SIZE),
    INTERNAL_API_KEY: API_KEY,
    ...peer.variables,
  };
}
