import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, withKey } from '../support/app.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from '../support/keys.js';
import { ServerProcess } from '../support/server-process.js';
import { ready } from './support/backend.js';
import { ChaosDatabase } from './support/chaos-database.js';
import { EarlierBuild } from './support/earlier-build.js';
import { IS_FULL, record } from './support/results.js';

const USERS = '/api/internal/users';
const KEYS = '/api/internal/api-keys';
const BUILD_TIMEOUT_MS = 300_000;

// During a rolling update, the previous release runs on the new schema. The test builds that
// release from the Git history, which a CI checkout may lack.
describe.runIf(IS_FULL)('the code before the latest migration', () => {
  let build: EarlierBuild;
  beforeAll(async () => {
    build = await EarlierBuild.make();
  }, BUILD_TIMEOUT_MS);
  afterAll(() => build.remove());

  it('serves requests on the schema after that migration', async () => {
    const database = await ChaosDatabase.start();
    const backend = await serve(build, database);
    const [row] = await database.query<{ latest: string }>(
      'SELECT max(migration_name) AS latest FROM _prisma_migrations',
    );
    expect(row?.latest).toBe(build.migration);
    await useUsers(backend.origin);
    await useKeys(backend.origin);
    const events = await database.query('SELECT 1 FROM audit_events');
    expect(events.length).toBeGreaterThan(0);

    // The control breaks a rule of docs/decisions/0031-expand-and-contract.md: migrations must not
    // rename columns.
    await database.query('ALTER TABLE users RENAME COLUMN phone TO telephone');
    const { status } = await withKey(backend.origin).get(`${USERS}/ada`);
    expect(status).toBeGreaterThanOrEqual(500);
    await backend.stop('SIGTERM');
    expect(await database.query('SELECT 1 FROM api_key_usage')).not.toEqual([]);
    await database.remove();
    record({
      promise: 'The code before the latest migration works on the schema after it',
      failure: `commit ${build.commit.slice(0, 7)} is built and runs on the schema after the migration ${build.migration}; requests about users, keys, usage and the audit trail`,
      result: 'all requests succeed',
      control: `with a renamed column: ${status}`,
      reference: 'expand and contract',
    });
  });
});

async function serve(build: EarlierBuild, database: ChaosDatabase): Promise<ServerProcess> {
  const backend = await ServerProcess.start(build.main, {
    NODE_ENV: 'production',
    PORT: '0',
    DRAIN_SECONDS: '0',
    DATABASE_URL: database.url,
    INTERNAL_API_KEY: API_KEY,
  });
  await ready(backend);
  return backend;
}

async function useUsers(origin: string): Promise<void> {
  const key = withKey(origin);
  const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
  await key.post(USERS).send(ada).expect(201);
  await key.patch(`${USERS}/ada`).send({ phone: '+12025550123' }).expect(200);
  const { body } = await key.get(`${USERS}/ada`).expect(200);
  expect(body.user).toMatchObject({ ...ada, phone: '+12025550123' });
  await key.get(`${USERS}/ada/accounts`).expect(200);
  await key.delete(`${USERS}/ada`).expect(204);
}

async function useKeys(origin: string): Promise<void> {
  const key = withKey(origin);
  const { id, secret } = await issueKey(origin);
  expect(await statusWith(origin, secret)).toBe(ADMITTED);
  const { body } = await key.post(`${KEYS}/${id}/rotate`).send({}).expect(201);
  expect(await statusWith(origin, body.secret)).toBe(ADMITTED);
  await key.post(`${KEYS}/${id}/revoke`).send({}).expect(200);
  expect(await statusWith(origin, secret)).toBe(REFUSED);
  await key.get(`${KEYS}/${id}/usage`).expect(200);
}
