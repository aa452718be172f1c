import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApp, withKey } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { ADMITTED, issueKey, statusWith } from './support/keys.js';
import { hasProgram } from './support/programs.js';
import { runStatements } from './support/run-statements.js';

const USERS = '/api/internal/users';
const WAIT = { timeout: 15_000, interval: 100 };

let database: TestDatabase;
let folder: string;
let owner: Client;
/** A role that no other test uses. */
let account: string;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'database-connection-'));
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  account = `${new URL(database.url).pathname.slice(1)}_own`;
  const { username } = new URL(database.runTimeUrl);
  await owner.query(`CREATE ROLE ${account} LOGIN PASSWORD 'first' IN ROLE ${username}`);
});
afterAll(async () => {
  await owner.end();
  await database.drop();
  const server = new URL(database.url);
  server.pathname = '/postgres';
  await runStatements(server.href, [`DROP ROLE ${account}`]);
  await rm(folder, { recursive: true });
});

function urlWith(changes: Partial<URL>, base = database.runTimeUrl): string {
  return Object.assign(new URL(base), changes).href;
}

/** Starts a server that accepts TLS with a certificate that no CA has signed. */
async function startSelfSigned() {
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-days', '1', '-nodes', '-newkey', 'rsa:2048'];
  execFileSync('openssl', ['req', '-x509', '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  });
  const secrets = { key: await readFile(key), cert: await readFile(cert) };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, ...secrets }).on('error', () => undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return { url: `postgresql://a:b@127.0.0.1:${port}/c?sslmode=require`, server };
}

/** Starts the application, and expects 503 responses and one log line about the cause. */
async function expectUnavailable(url: string, cause: RegExp): Promise<void> {
  const log = vi.spyOn(Logger.prototype, 'error');
  const app = await startApp({ DATABASE_URL: url });
  const appUrl = await app.getUrl();
  for (let attempt = 0; attempt < 3; attempt++) {
    const { body, text } = await withKey(appUrl).get(`${USERS}/1`).expect(503);
    expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    expect(text).not.toMatch(/postgres|127\.0\.0\.1|password|invalid/);
  }
  await withKey(appUrl)
    .post('/api/internal/api-keys')
    .send({ name: 'a', scopes: ['users:read'] })
    .expect(503);
  await request(appUrl).get('/api/health/ready').expect(503);
  const lines = log.mock.calls.map(([message]) => String(message));
  expect(lines.filter((line) => cause.test(line))).toHaveLength(1);
  expect(lines.join('\n')).not.toMatch(/\/\/|wrong-password|\n {4}at /);
  await app.close();
  log.mockRestore();
}

describe('a failed connection causes 503 and one log line with cause and remedy:', () => {
  it.each([
    ['a wrong password', { password: 'wrong-password' }, /refuses the user or password.*28P01/],
    ['an unknown database', { pathname: '/nowhere' }, /does not exist; create it.*3D000/],
    ['a host that is not found', { hostname: 'host.invalid' }, /correct its name in DATABASE_URL/],
    ['a server without TLS', { search: '?sslmode=require' }, /has no TLS/],
    [
      'a CA file that is missing',
      { search: '?sslmode=verify-full&sslrootcert=/none.pem' },
      /none\.pem/,
    ],
  ])('%s', async (_case, changes, cause) => {
    await expectUnavailable(urlWith(changes), cause);
  });

  it('a role that is not allowed to log in', async () => {
    await owner.query(`ALTER ROLE ${account} NOLOGIN`);
    await expectUnavailable(
      urlWith({ username: account, password: 'first' }),
      /pg_hba\.conf.*28000/,
    );
    await owner.query(`ALTER ROLE ${account} LOGIN`);
  });

  it.skipIf(!hasProgram('openssl'))('a certificate of an unknown CA', async () => {
    const { url, server } = await startSelfSigned();
    await expectUnavailable(url, /add sslrootcert=.*unlike libpq.*SELF_SIGNED/);
    server.close();
  });
});

describe('a password that is rotated in DATABASE_URL_FILE and DIRECT_URL_FILE', () => {
  it('is used by new connections without a restart', async () => {
    const files = [path.join(folder, 'database-url'), path.join(folder, 'direct-url')] as const;
    const write = async (password: string) => {
      for (const file of files) await writeFile(file, urlWith({ username: account, password }));
    };
    await write('first');
    const app = await startApp({ DATABASE_URL_FILE: files[0], DIRECT_URL_FILE: files[1] });
    const url = await app.getUrl();
    const { secret } = await issueKey(url);
    await owner.query(`ALTER ROLE ${account} PASSWORD 'second'`);
    await owner.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      account,
    ]);
    await vi.waitFor(async () => expect(await statusWith(url, secret)).toBe(503), WAIT);
    await writeFile(files[0], 'half-writt');
    await withKey(url).get(`${USERS}/1`).expect(503);
    await write('second');
    await vi.waitFor(async () => expect(await statusWith(url, secret)).toBe(ADMITTED), WAIT);
    await vi.waitFor(async () => issueKey(url), WAIT);
    await app.close();
  });
});

describe('a read after ALTER TABLE', () => {
  it('succeeds on each connection of the pool despite stale query plans', async () => {
    const app = await startApp({ DATABASE_URL: database.runTimeUrl });
    const url = await app.getUrl();
    /** Makes the reads wait for a table lock, so that each read uses its own connection. */
    const readConcurrently = async (change: string) => {
      await owner.query('BEGIN');
      await owner.query('LOCK TABLE users');
      const reads = Array.from({ length: 5 }, async (_, id) => {
        await new Promise((resolve) => setTimeout(resolve, id * 20));
        return (await withKey(url).get(`${USERS}/${id}`)).status;
      });
      await new Promise((resolve) => setTimeout(resolve, 250));
      await owner.query(change);
      await owner.query('COMMIT');
      return Promise.all(reads);
    };
    expect(await readConcurrently('SELECT')).toEqual([404, 404, 404, 404, 404]);
    const change = 'ALTER TABLE users ALTER COLUMN name TYPE varchar(400)';
    expect(await readConcurrently(change)).toEqual([404, 404, 404, 404, 404]);
    await app.close();
  });
});
