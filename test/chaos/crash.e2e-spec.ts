import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, sentence } from '../../mcp-server/test/support/clients.js';
import { startMcp } from '../../mcp-server/test/support/servers.js';
import { token } from '../../mcp-server/test/support/tokens.js';
import type { ServerProcess } from '../support/server-process.js';
import { readMigrations } from '../../scripts/migrations.js';
import { ready, startBackend, without } from './support/backend.js';
import { Callers } from './support/callers.js';
import { ChaosDatabase, migrate, queryOnce, until } from './support/chaos-database.js';
import { IS_FULL, ms, record, scaled } from './support/results.js';

const KILLS = scaled(20, 5);
// In CI, other work shares the two cores.
const START_BOUND_MS = IS_FULL ? 3000 : 9000;

let database: ChaosDatabase;
beforeAll(async () => {
  database = await ChaosDatabase.start();
});
afterAll(() => database.remove());

const worst = (values: readonly number[]) => Math.max(...values);

/** Kills and restarts the backend repeatedly while callers write. */
async function killUnderWrites(kills: number, variables: NodeJS.ProcessEnv = {}) {
  const starts: number[] = [];
  const acknowledged: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const startedAt = performance.now();
    const backend = await startBackend(database.url, variables);
    await ready(backend);
    starts.push(performance.now() - startedAt);
    const newUser = () => {
      const id = randomUUID();
      const body = { id, email: `${id}@example.com`, name: 'Ada Lovelace' };
      return { method: 'POST', path: '/api/internal/users', body };
    };
    const callers = new Callers(backend.origin, newUser, 8, 0);
    await sleep(300 + kill * 7);
    await backend.stop('SIGKILL');
    await callers.stop();
    for (const { status, body } of callers.outcomes) {
      if (status === 201) acknowledged.push(JSON.parse(body).user.id);
    }
  }
  const rows = await database.query<{ id: string }>('SELECT id FROM users');
  const written = new Set(rows.map(({ id }) => id));
  return { starts, acknowledged, lost: acknowledged.filter((id) => !written.has(id)) };
}

describe('kill -9 of the backend', () => {
  it('loses no acknowledged write, and a new process is ready within seconds', async () => {
    const control = await killUnderWrites(1, without('write-before-response'));
    const { starts, acknowledged, lost } = await killUnderWrites(KILLS);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(lost).toEqual([]);
    expect(worst(starts)).toBeLessThan(START_BOUND_MS);
    expect(control.lost.length).toBeGreaterThan(0);
    record({
      promise: 'kill -9 of the backend loses no acknowledged write',
      failure: `killed ${KILLS} times while callers write`,
      result: `0 of ${acknowledged.length} writes lost; ready within ${ms(worst(starts))} of the start`,
      control: `${control.lost.length} of ${control.acknowledged.length} writes lost`,
      reference: 'crash-only software: a crash is always possible',
    });
  });
});

/** Kills and restarts the MCP server repeatedly while tool calls write. */
async function killUnderToolCalls(
  backend: ServerProcess,
  kills: number,
  variables: NodeJS.ProcessEnv = {},
) {
  const starts: number[] = [];
  let acknowledged = 0;
  let lost = 0;
  let lastAcknowledged = 0;
  for (let kill = 0; kill < kills; kill++) {
    const startedAt = performance.now();
    const mcp = await startMcp({
      BACKEND_API_URL: backend.origin,
      BACKEND_FALLBACK: 'off',
      ...variables,
    });
    await until(async () => (await fetch(new URL('/health/ready', mcp.origin))).ok);
    starts.push(performance.now() - startedAt);
    const client = await connect(mcp.url, await token('caller'));
    const calls = (async () => {
      for (;;) {
        const phone = `+1202555${String(lastAcknowledged + 1).padStart(4, '0')}`;
        const result = await client.callTool('update_phone', { phone });
        if (result.isError) throw new Error(sentence(result));
        lastAcknowledged += 1;
        acknowledged += 1;
      }
    })().catch((error: unknown) => error);
    const before = lastAcknowledged;
    await until(() => lastAcknowledged > before + 3);
    await mcp.stop('SIGKILL');
    await calls;
    await client.close().catch(() => undefined);
    const [row] = await database.query<{ phone: string | null }>(
      `SELECT phone FROM users WHERE id = 'caller'`,
    );
    const stored = Number(row?.phone?.slice(-4) ?? 0);
    lost += Math.max(0, lastAcknowledged - stored);
    // The unacknowledged write may or may not be stored.
    expect(stored).toBeLessThanOrEqual(lastAcknowledged + 1);
    lastAcknowledged = stored;
  }
  return { starts, acknowledged, lost };
}

describe('kill -9 of the MCP server', () => {
  it('loses no acknowledged write, and a new process is ready within seconds', async () => {
    const backend = await startBackend(database.url);
    await ready(backend);
    await database.query(`INSERT INTO users (id, email, name, roles, permissions, updated_at)
      VALUES ('caller', 'caller@example.com', 'Ada', '{}', '{configure}', now())
      ON CONFLICT DO NOTHING`);
    const control = await killUnderToolCalls(backend, 1, without('mcp-write-before-result'));
    const { starts, acknowledged, lost } = await killUnderToolCalls(backend, KILLS);
    await backend.stop('SIGKILL');
    expect(acknowledged).toBeGreaterThan(0);
    expect(lost).toBe(0);
    expect(worst(starts)).toBeLessThan(START_BOUND_MS);
    expect(control.lost).toBeGreaterThan(0);
    record({
      promise: 'kill -9 of the MCP server loses no acknowledged write',
      failure: `killed ${KILLS} times during tool calls that write`,
      result: `0 of ${acknowledged} writes lost; ready within ${ms(worst(starts))} of the start`,
      control: `${control.lost} of ${control.acknowledged} writes lost`,
      reference: 'crash-only software',
    });
  });
});

async function emptyDatabase(name: string): Promise<URL> {
  await database.administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await database.administer(`CREATE DATABASE ${name}`);
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  return url;
}

/** Runs the migrations three times concurrently, without a lock. Returns how many runs fail. */
async function failuresWithoutLock(): Promise<number> {
  const url = await emptyDatabase('unlocked');
  const sql = (await readMigrations()).map((migration) => migration.sql).join('\n');
  const runs = await Promise.allSettled([1, 2, 3].map(() => queryOnce(url.href, sql)));
  return runs.filter(({ status }) => status === 'rejected').length;
}

describe('migrations that several replicas run concurrently', () => {
  it('are each applied once', async () => {
    const control = await failuresWithoutLock();
    expect(control).toBeGreaterThan(0);
    const url = await emptyDatabase('several');
    await Promise.all([migrate(url.href), migrate(url.href), migrate(url.href)]);
    const applied = await queryOnce<{ names: number; rows: number; unfinished: number }>(
      url.href,
      `
      SELECT count(DISTINCT migration_name)::int AS names, count(*)::int AS rows,
             (count(*) FILTER (WHERE finished_at IS NULL OR rolled_back_at IS NOT NULL))::int AS unfinished
      FROM _prisma_migrations`,
    );
    expect(applied[0]?.rows).toBe(applied[0]?.names);
    expect(applied[0]?.unfinished).toBe(0);
    record({
      promise: 'Several replicas can run migrations concurrently',
      failure: 'three concurrent runs on an empty database',
      result: 'each migration applied once, no run failed',
      control: `${control} of 3 runs failed`,
      reference: 'Prisma’s advisory lock',
    });
  });
});
