import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { Alerts } from '../src/alerts/alerts.js';
import { IncidentStore } from '../src/alerts/incident-store.js';
import { KeyDetector } from '../src/alerts/key-detector.js';
import { EarlyRetirement } from '../src/api-keys/early-retirement.js';
import { BlockingSessions } from '../src/api-keys/key-sync/blocking-sessions.js';
import { ListeningClient } from '../src/api-keys/key-sync/listening-client.js';
import { DatabaseUrls } from '../src/prisma/database-urls.js';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import { EXAMPLE_USER } from '../src/users/user-fields.js';
import { createUserSchema, updateUserSchema } from '../src/users/user.schemas.js';
import { AlertReceiver } from './support/alert-receiver.js';
import { API_KEY, startApp, withKey } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { StatementRecorder } from './support/statement-recorder.js';

const NOT_ALLOWED = '42501';
const EXPLAINABLE = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/i;
// The version number of PostgreSQL 16, which introduced EXPLAIN (GENERIC_PLAN).
const GENERIC_PLANS_SINCE = 160_000;
const WAIT = { timeout: 20_000 };
const INTERNAL = '/api/internal';

/** A privilege from the system catalog. */
interface Right {
  readonly privilege: string;
  /** The text after ON in a GRANT statement. */
  readonly object: string;
  /** The name of the object in statements. Statements with this name may need the right. */
  readonly name: string;
  readonly column: string | null;
}

let database: TestDatabase;
let recorder: StatementRecorder;
let receiver: AlertReceiver;
let app: NestFastifyApplication;
let superuser: Client;
let statements: string[];
const calledRoutes = new Set<string>();

beforeAll(async () => {
  database = await createTestDatabase();
  recorder = await StatementRecorder.start(database.runTimeUrl);
  receiver = await AlertReceiver.start();
  app = await startApp({ DATABASE_URL: recorder.url, ALERT_WEBHOOK_URL: receiver.url });
  superuser = new Client({ connectionString: database.url });
  await superuser.connect();
  await callUserRoutes();
  await callKeyRoutes();
  await raiseAlerts();
  await Promise.all([runBackgroundJobs(), runCommands()]);
  await app.close();
  statements = [...recorder.statements].filter((text) => EXPLAINABLE.test(text));
});
afterAll(async () => {
  await recorder.stop();
  await receiver.goDown();
  await superuser.end();
  await database.drop();
});

type Method = 'get' | 'post' | 'patch' | 'delete';

/** Calls a route, with the id as its path parameter. */
async function call(method: Method, route: string, id = '', query = '', body?: object) {
  calledRoutes.add(`${method} ${INTERNAL}${route}`);
  const path = `${INTERNAL}${route.replace('{id}', id)}${query}`;
  const client = withKey(await app.getUrl()).set('Idempotency-Key', 'the-same-key');
  const response = await client[method](path).send(body);
  if (!response.ok) throw new Error(`${method} ${path}: ${response.text}`);
  return response.body;
}

/** An example with every field of the schema, so that statements need the right to each column. */
function exampleOf({ shape }: { readonly shape: object }): object {
  return Object.fromEntries(Object.entries(EXAMPLE_USER).filter(([field]) => field in shape));
}

async function callUserRoutes(): Promise<void> {
  const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
  await call('post', '/users', '', '', ada);
  await call('post', '/users', '', '', exampleOf(createUserSchema));
  await call('get', '/users');
  await call('get', '/users', '', '?ids=ada,nobody');
  await call('get', '/users', '', '?ids=ada,nobody&include=accounts');
  await call('get', '/users/{id}', 'ada');
  await call('get', '/users/{id}', 'ada', '?include=accounts');
  await call('patch', '/users/{id}', 'ada', '', {
    ...exampleOf(updateUserSchema),
    email: 'ada.king@example.com',
  });
  await call('post', '/users/search', '', '', { email: EXAMPLE_USER.email });
  await call('post', '/users/search', '', '', { phone: '+12025550123' });
  await call('get', '/users/{id}/accounts', 'ada');
  await call('delete', '/users/{id}', 'ada');
}

async function callKeyRoutes(): Promise<void> {
  const key = {
    name: 'test',
    note: 'test',
    scopes: ['users:read', 'keys:write'],
    readFields: ['email'],
    writeFields: ['email'],
    networks: ['127.0.0.1/32'],
    rateLimit: 60,
  };
  const { apiKey } = await call('post', '/api-keys', '', '', key);
  await call('post', '/api-keys', '', '', key);
  await call('get', '/api-keys');
  await call('get', '/api-keys', '', `?cursor=${apiKey.id}`);
  await call('get', '/api-keys/{id}', apiKey.id);
  await call('get', '/api-keys/{id}/usage', apiKey.id);
  const { apiKey: successor } = await call('post', '/api-keys/{id}/rotate', apiKey.id, '', {
    retireAfterQuietSeconds: 60,
  });
  await call('post', '/api-keys/{id}/revoke', successor.id, '', { reason: 'test' });
  await call('post', '/api-keys/{id}/revoke', successor.id, '', { reason: 'again' });
  const { rootKeys } = await call('get', '/root-keys');
  await call('get', '/root-keys/{id}/usage', rootKeys[0].id);
  await call('post', '/api-keys/check', '', '', { apiKey: API_KEY, address: '127.0.0.1' });
  await call('get', '/audit/events');
  await call('get', '/audit/verification');
}

async function raiseAlerts(): Promise<void> {
  const alerts = app.get(Alerts, { strict: false });
  const isPostponed = () => [...recorder.statements].join().includes('gave_up_at = CASE');
  const isDelivered = async () => !(await exists('FROM alert_outbox WHERE delivered_at IS NULL'));
  receiver.status = 500;
  alerts.raise('enumeration', 'k', { source: '::1' });
  await vi.waitUntil(isPostponed, WAIT);
  receiver.status = 204;
  await vi.waitUntil(isDelivered, WAIT);
  await alerts.end({ rule: 'enumeration', subject: 'k' });
  await alerts.tick();
  await app.get(KeyDetector, { strict: false }).run();
  await withKey(await app.getUrl(), 'wrong')
    .get(`${INTERNAL}/users/1`)
    .expect(401);
  await vi.waitUntil(() => [...recorder.statements].join().includes('count_failed_auth'), WAIT);
  await vi.waitUntil(isDelivered, WAIT);
  await app.get(IncidentStore, { strict: false }).purge();
}

async function runBackgroundJobs(): Promise<void> {
  await app.get(UsageRecorder, { strict: false }).flush();
  await app.get(EarlyRetirement, { strict: false }).run();
  const listener = { onNotification: () => undefined, onEnd: () => undefined };
  const client = new ListeningClient(app.get(DatabaseUrls), 'test', listener);
  await client.listen([]);
  await new BlockingSessions(client).end(0);
  client.close();
  // The key sync periodically compares all keys, with rights that no other statement needs.
  await vi.waitUntil(() => [...recorder.statements].join().includes('sum(revision)'), WAIT);
}

async function exists(rows: string): Promise<boolean> {
  return (await superuser.query(`SELECT ${rows}`)).rowCount !== 0;
}

async function runCommands(): Promise<void> {
  const create = ['create', '--name', 'test', '--scopes', 'users:read', '--reveal', '--json'];
  const { apiKey, secret } = JSON.parse(await run('keys', create));
  await run('keys', ['list']);
  await run('keys', ['show', apiKey.id]);
  await run('keys', ['usage', apiKey.id]);
  await run('keys', ['verify'], secret);
  await run('keys', ['rotate', apiKey.id, '--reveal']);
  await run('keys', ['revoke', apiKey.id]);
  await run('audit', ['verify']);
  await run('audit', ['list']);
}

async function run(command: 'keys' | 'audit', args: string[], stdin = ''): Promise<string> {
  const running = promisify(execFile)(process.execPath, ['dist/cli.js', command, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      DATABASE_URL: recorder.url,
      INTERNAL_API_KEY: API_KEY,
    },
  });
  running.child.stdin?.end(stdin);
  return (await running).stdout;
}

async function readRights(): Promise<Right[]> {
  const { name } = inject('runTimeAccount');
  const { rows } = await superuser.query<Right>(
    `SELECT privilege_type AS privilege, 'SCHEMA public' AS object, 'public' AS name, NULL AS column
     FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public' AND grantee = $1::regrole
     UNION ALL
     SELECT privilege_type, CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || pg_class.oid::regclass, relname, NULL
     FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace AND grantee = $1::regrole
     UNION ALL
     SELECT privilege_type, 'TABLE ' || attrelid::regclass, relname, attname
     FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid, aclexplode(attacl)
     WHERE relnamespace = 'public'::regnamespace AND grantee = $1::regrole
     UNION ALL
     SELECT privilege_type, 'FUNCTION ' || pg_proc.oid::regprocedure, proname, NULL
     FROM pg_proc, aclexplode(proacl) WHERE pronamespace = 'public'::regnamespace AND grantee = $1::regrole`,
    [name],
  );
  return rows;
}

/**
 * Revokes the right, and runs EXPLAIN for the statements that may need the right. If `right` is
 * undefined, runs EXPLAIN for all statements. An outcome is `done` or the error code.
 */
async function outcomesWithout(right: Right | undefined): Promise<Map<string, string>> {
  const role = escapeIdentifier(inject('runTimeAccount').name);
  const outcomes = new Map<string, string>();
  await superuser.query('BEGIN');
  if (right !== undefined) {
    const { privilege, column, object } = right;
    await superuser.query(
      `REVOKE ${privilege} ${column === null ? '' : `(${column})`} ON ${object} FROM ${role}`,
    );
  }
  await superuser.query(`SET LOCAL ROLE ${role}`);
  for (const statement of statements.filter((text) => text.includes(right?.name ?? ''))) {
    await superuser.query('SAVEPOINT one');
    const outcome = await superuser.query(`EXPLAIN (GENERIC_PLAN) ${statement}`).then(
      () => 'done',
      (error: unknown) => z.object({ code: z.string() }).parse(error).code,
    );
    outcomes.set(statement, outcome);
    await superuser.query('ROLLBACK TO one');
    if (right !== undefined && outcome === NOT_ALLOWED) break;
  }
  await superuser.query('ROLLBACK');
  return outcomes;
}

async function hasGenericPlans(): Promise<boolean> {
  const { rows } = await superuser.query('SHOW server_version_num');
  return Number(rows[0].server_version_num) >= GENERIC_PLANS_SINCE;
}

describe('the rights of the run-time role', () => {
  it('are compared with the statements of every internal route', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8'));
    const routes = Object.keys(paths)
      .filter((path) => path.startsWith(INTERNAL))
      .flatMap((path) => Object.keys(paths[path]).map((method) => `${method} ${path}`));
    expect([...calledRoutes].toSorted()).toEqual(routes.toSorted());
  });

  it('suffice for every statement that the backend and the command line send', async (context) => {
    if (!(await hasGenericPlans())) context.skip('needs PostgreSQL 16');
    const outcomes = [...(await outcomesWithout(undefined))];
    expect(outcomes.filter(([, outcome]) => outcome !== 'done')).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(40);
  });

  it('are each required by at least one statement', async (context) => {
    if (!(await hasGenericPlans())) context.skip('needs PostgreSQL 16');
    const rights = await readRights();
    expect(rights.length).toBeGreaterThan(50);
    const unneeded: Right[] = [];
    for (const right of rights) {
      const outcomes = await outcomesWithout(right);
      if (![...outcomes.values()].includes(NOT_ALLOWED)) unneeded.push(right);
    }
    expect(unneeded).toEqual([]);
  });
});
