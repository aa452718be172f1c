import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AlertReceiver } from '../support/alert-receiver.js';
import { API_KEY, withKey } from '../support/app.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { type IssuedTestKey, REFUSED, issueKey, statusWith } from '../support/keys.js';
import { scaled } from '../support/load.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const KEYS = 30;
// The longest pause between two delivery attempts, plus a margin.
const WAIT = { timeout: 80_000, interval: 200 };
const INCIDENT_ID = /"incidentId":"([0-9a-f-]{36})"/g;

let database: TestDatabase;
let receiver: AlertReceiver;
const processes: ServerProcess[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  receiver = await AlertReceiver.start();
});
afterAll(async () => {
  for (const each of processes) await each.stop('SIGKILL');
  await receiver.goDown();
  await database.drop();
});

async function start(): Promise<ServerProcess> {
  const started = await ServerProcess.start(BACKEND_MAIN, {
    NODE_ENV: 'test',
    PORT: '0',
    INTERNAL_API_KEY: API_KEY,
    DATABASE_URL: database.url,
    ALERT_WEBHOOK_URL: receiver.url,
  });
  processes.push(started);
  return started;
}

async function revokedKeys(origin: string, number = KEYS): Promise<IssuedTestKey[]> {
  const keys: IssuedTestKey[] = [];
  for (let count = 0; count < number; count++) keys.push(await issueKey(origin));
  for (const { id } of keys) {
    await withKey(origin).post(`/api/internal/api-keys/${id}/revoke`).send({}).expect(200);
  }
  return keys;
}

/** Uses revoked keys, and waits until the alerts are stored. From then on, none may be lost. */
async function useRevokedKeys(
  process: ServerProcess,
  keys: readonly IssuedTestKey[],
): Promise<void> {
  for (const { secret } of keys) expect(await statusWith(process.origin, secret)).toBe(REFUSED);
  const isStored = () => keys.every(({ id }) => process.output.includes(`revoked key ${id}`));
  await expect.poll(isStored, WAIT).toBe(true);
}

it(
  'the outbox delivers every alert despite failures of the receiver and of processes, and a repeated delivery has the same alert id',
  { timeout: 500_000 },
  async () => {
    const first = await start();
    const keys = await revokedKeys(first.origin);
    await receiver.goDown();
    await useRevokedKeys(first, keys.slice(0, 10));
    await first.stop('SIGKILL');

    const second = await start();
    await useRevokedKeys(second, keys.slice(10, 20));
    await sleep(scaled(60_000));
    // The mute receiver confirms no alert, so the next process must deliver these alerts again.
    receiver.isMute = true;
    await receiver.listen();
    await expect.poll(() => receiver.alerts.length, WAIT).toBeGreaterThan(0);
    await second.stop('SIGKILL');
    const unconfirmed = receiver.alerts.map(({ id }) => id);

    receiver.isMute = false;
    const third = await start();
    await useRevokedKeys(third, keys.slice(20));
    const arrived = () =>
      new Set(receiver.of('revoked-key-used').map(({ subject }) => subject)).size;
    await expect.poll(arrived, WAIT).toBe(KEYS);
    const repeated = () =>
      unconfirmed.every((id) => receiver.alerts.filter((alert) => alert.id === id).length > 1);
    await expect.poll(repeated, WAIT).toBe(true);

    const logged = processes.flatMap(({ output }) =>
      [...output.matchAll(INCIDENT_ID)].map(([, id]) => id),
    );
    expect(new Set(receiver.alerts.map(({ incidentId }) => incidentId))).toEqual(new Set(logged));
    const ids = new Set(receiver.alerts.map(({ id }) => id));
    const transitions = new Set(
      receiver.alerts.map(({ incidentId, status }) => `${incidentId} ${status}`),
    );
    expect(ids.size).toBe(transitions.size);
  },
);

it(
  'a process delivers an alert that the previous process raised just before its shutdown',
  { timeout: 500_000 },
  async () => {
    const first = await start();
    const [key] = await revokedKeys(first.origin, 1);
    await receiver.goDown();
    expect(await statusWith(first.origin, key?.secret ?? '')).toBe(REFUSED);
    await first.stop();
    await receiver.listen();
    await start();
    const isDelivered = () =>
      receiver.of('revoked-key-used').some(({ subject }) => subject === key?.id);
    await expect.poll(isDelivered, WAIT).toBe(true);
  },
);
