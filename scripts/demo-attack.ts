/**
 * `npm run demo:attack -- [ATTEMPTS]`: attacks a backend on this machine without a key, with a guessed, a revoked and a greedy
 * key, and prints the outcomes and alerts of its log. The backend is the demo's own, on the database of a running
 * `npm start` or of DATABASE_URL.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { loadStartVariables } from '../packages/environment/src/env-files.js';

const CONCURRENCY = 16;
const LOG_TIMEOUT_MS = 10_000;

const lineSchema = z.object({
  msg: z.string(),
  route: z.string().nullish(),
  outcome: z.string().nullish(),
});
const createdSchema = z.object({ apiKey: z.object({ id: z.string() }), secret: z.string() });
type Line = z.infer<typeof lineSchema>;

const total = Number(process.argv[2] ?? 10_000);
loadStartVariables();
const { INTERNAL_API_KEY: rootKey = '' } = process.env;
const backend = spawn(process.execPath, ['dist/main.js'], {
  env: {
    ...process.env,
    HOST: '127.0.0.1',
    PORT: '0',
    METRICS_PORT: '',
    LOG_LEVEL: 'info',
    KEY_MISSES_LIMIT: '100',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const lines: Line[] = [];
createInterface(backend.stdout).on('line', (text) =>
  lines.push(lineSchema.parse(JSON.parse(text))),
);

try {
  if (!Number.isInteger(total)) throw new Error('Usage: npm run demo:attack -- ATTEMPTS');
  const origin = await findOrigin();
  const [greedy, revoked] = [await issueKey(origin), await issueKey(origin)];
  await post(`${origin}/api/internal/api-keys/${revoked.apiKey.id}/revoke`, {});
  await attack(origin, [undefined, 'lk_live_guessed', revoked.secret, greedy.secret]);
  const attempts = () => lines.filter(({ route }) => route === '/api/internal/users/:id');
  const deadline = performance.now() + LOG_TIMEOUT_MS;
  while (attempts().length < total && performance.now() < deadline) await sleep(100);
  console.log(`${total} attempts, ${attempts().length} in the log:`);
  console.table(countOutcomes(attempts()));
  for (const { msg } of lines) if (msg.startsWith('alert:')) console.log(msg);
  await post(`${origin}/api/internal/api-keys/${greedy.apiKey.id}/revoke`, {});
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  backend.kill();
}

async function findOrigin(): Promise<string> {
  while (backend.exitCode === null) {
    const [origin] = lines.flatMap(({ msg }) => /http:\/\/[\d.]+:\d+$/.exec(msg)?.[0] ?? []);
    if (origin !== undefined) return origin;
    await sleep(50);
  }
  throw new Error('The backend did not start: run npm start in another terminal first.');
}

async function issueKey(origin: string): Promise<z.infer<typeof createdSchema>> {
  const key = { name: 'demo-attack', scopes: ['users:read'], rateLimit: 1_000_000 };
  return createdSchema.parse(await post(`${origin}/api/internal/api-keys`, key));
}

async function post(url: string, body: object): Promise<unknown> {
  const headers = { 'x-api-key': rootKey, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  return response.json();
}

/** Requests users that do not exist, with the keys in turn. */
async function attack(origin: string, keys: readonly (string | undefined)[]): Promise<void> {
  let turn = 0;
  const call = async () => {
    while (turn < total) {
      const url = `${origin}/api/internal/users/nobody-${turn}`;
      const key = keys[turn++ % keys.length];
      const response = await fetch(url, { headers: key === undefined ? {} : { 'x-api-key': key } });
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, call));
}

function countOutcomes(attempts: readonly Line[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of attempts) counts[`${outcome}`] = (counts[`${outcome}`] ?? 0) + 1;
  return counts;
}
