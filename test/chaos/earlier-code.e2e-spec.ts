import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, withKey } from '../support/app.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from '../support/keys.js';
import { ServerProcess } from '../support/server-process.js';
import { ready } from './support/backend.js';
import { ChaosDatabase, queryOnce } from './support/chaos-database.js';
import { EarlierBuild } from './support/earlier-build.js';
import { IS_FULL, record } from './support/results.js';

const USERS = '/api/internal/users';
const KEYS = '/api/internal/api-keys';
const BUILD_TIMEOUT_MS = 300_000;

// What a rolling update has for minutes. It is built from the history, which a checkout for CI may not have.
describe.runIf(IS_FULL)('the code before the latest migration, on the schema after it', () => {
  let build: EarlierBuild;
  let database: ChaosDatabase;
  let backend: ServerProcess;

  beforeAll(async () => {
    build = await EarlierBuild.make();
    database = await ChaosDatabase.start();
    backend = await serve(build, database);
  }, BUILD_TIMEOUT_MS);
  afterAll(async () => {
    await backend?.stop('SIGKILL');
    await database?.remove();
    await build?.remove();
  });

  it('does not know the migration that the database has', async () => {
    const [row] = await database.query<{ latest: string }>(
      'SELECT max(migration_name) AS latest FROM _prisma_migrations',
    );
    expect(row?.latest).toBe(build.migration);
  });

  it('takes users, and shows them', async () => {
    const key = withKey(backend.origin);
    const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
    await key.post(USERS).send(ada).expect(201);
    await key.patch(`${USERS}/ada`).send({ phone: '+12025550123' }).expect(200);
    const { body } = await key.get(`${USERS}/ada`).expect(200);
    expect(body.user).toMatchObject({ ...ada, phone: '+12025550123' });
    await key.get(`${USERS}/ada/accounts`).expect(200);
    await key.delete(`${USERS}/ada`).expect(204);
  });

  it('takes keys, which are used, rotated and revoked', async () => {
    const { id, secret } = await issueKey(backend.origin);
    expect(await statusWith(backend.origin, secret)).toBe(ADMITTED);
    const key = withKey(backend.origin);
    const { body } = await key.post(`${KEYS}/${id}/rotate`).send({}).expect(201);
    expect(await statusWith(backend.origin, body.secret)).toBe(ADMITTED);
    await key.post(`${KEYS}/${id}/revoke`).send({}).expect(200);
    expect(await statusWith(backend.origin, secret)).toBe(REFUSED);
    const events = await database.query('SELECT 1 FROM audit_events');
    expect(events.length).toBeGreaterThan(0);
    await key.get(`${KEYS}/${id}/usage`).expect(200);
  });

  it('fails where a migration takes something away, which is why none may', async () => {
    const reduced = await ChaosDatabase.start();
    await queryOnce(reduced.url, 'ALTER TABLE users RENAME COLUMN phone TO telephone');
    const control = await serve(build, reduced);
    const { status } = await withKey(control.origin).get(`${USERS}/ada`);
    await control.stop('SIGKILL');
    await reduced.remove();
    expect(status).toBeGreaterThanOrEqual(500);
    record({
      promise: 'The code before the latest migration serves on the schema after it',
      broken: `${build.commit.slice(0, 7)}, built and run on the schema after ${build.migration}: users, keys, usage, the trail`,
      figure: 'all as before',
      control: `a column renamed: ${status}`,
      anchor: 'expand and contract',
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
