import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Client } from 'pg';
import { BackendProcess } from './support/process.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';

const canary = () => `canary${randomBytes(16).toString('hex')}`;

// Short enough to be warned of.
const KEY = canary().slice(0, 30);
const PREVIOUS_KEY = canary();
const WRONG_KEY = canary();
const DATABASE_PASSWORD = canary();
const PERSON = { email: `${canary()}@example.com`, name: canary(), phone: '+442079460987' };
const SECRETS = [
  KEY,
  PREVIOUS_KEY,
  WRONG_KEY,
  DATABASE_PASSWORD,
  PERSON.email,
  PERSON.name,
  PERSON.phone,
];

let database: TestDatabase;
let role: string;
let backend: BackendProcess;
let url: string;

beforeAll(async () => {
  database = await createTestDatabase();
  role = `latchkey_test_${randomBytes(6).toString('hex')}`;
  await onServer(
    `CREATE ROLE ${role} LOGIN PASSWORD '${DATABASE_PASSWORD}' IN ROLE pg_read_all_data, pg_write_all_data`,
  );
  const databaseUrl = new URL(database.url);
  databaseUrl.username = role;
  databaseUrl.password = DATABASE_PASSWORD;
  backend = new BackendProcess({
    DATABASE_URL: databaseUrl.href,
    INTERNAL_API_KEY: KEY,
    INTERNAL_API_KEY_PREVIOUS: PREVIOUS_KEY,
    LOG_LEVEL: 'trace',
    PORT: '0',
  });
  url = await backend.listening();
});

afterAll(async () => {
  await backend.stop();
  await database.drop();
  await onServer(`DROP ROLE ${role}`);
});

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('databaseServerUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function send(method: string, path: string, key?: string, body?: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { 'x-api-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
}

/** The log's lines about requests, as parsed JSON. */
function requestLines(): Record<string, unknown>[] {
  return backend.output
    .split('\n')
    .filter((line) => line.includes('"msg":"request"'))
    .map((line): Record<string, unknown> => JSON.parse(line));
}

async function lineOf(requestId: string): Promise<Record<string, unknown> | undefined> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const line = requestLines().find((each) => each.requestId === requestId);
    if (line) return line;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}

/** Everything that could carry a secret into a log: good, refused, malformed, conflicting and failing requests. */
async function provoke(): Promise<string[]> {
  const users = '/api/internal/users';
  const bodies: string[] = [];
  const attempts: Parameters<typeof send>[] = [
    ['POST', users, KEY, { id: 'p1', ...PERSON }],
    ['POST', users, KEY, { id: 'p2', ...PERSON }],
    ['POST', users, KEY, { id: 'p3', ...PERSON, secret: KEY }],
    ['POST', `${users}/search`, PREVIOUS_KEY, { email: PERSON.email }],
    ['PATCH', `${users}/p1`, KEY, { ...PERSON }],
    ['GET', `${users}/p1`, WRONG_KEY],
    ['GET', `${users}/p1?key=${KEY}`, KEY],
    ['GET', `${users}/${KEY}/accounts?type=${KEY}`, KEY],
    ['PUT', `${users}/p1`, KEY],
    ['GET', `/api/${WRONG_KEY}`],
  ];
  for (const attempt of attempts) await send(...attempt);
  bodies.push(
    await sendBroken(`GET ${users} HTTP/1.1\r\nX-API-Key: ${KEY}\r\nX-API-Key: ${KEY}\r\n\r\n`),
  );
  bodies.push(await sendBroken(`GET ${users} HTTP/9.9\r\nX-API-Key: ${KEY}\r\n\r\n`));
  await onServer(`ALTER TABLE users RENAME TO moved`).catch(() => undefined);
  return bodies;
}

async function sendBroken(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('close', () => resolve(received));
  });
}

describe('a request’s log line', () => {
  it('has the request id, route pattern, status, duration and key id', async () => {
    const headers = { 'x-api-key': KEY, 'x-request-id': 'logged-1' };
    await fetch(`${url}/api/internal/users/12345?ignored=1`, { headers });
    expect(await lineOf('logged-1')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      msg: 'request',
      requestId: 'logged-1',
      method: 'GET',
      route: '/api/internal/users/:id',
      status: 404,
      durationMs: expect.any(Number),
      keyId: expect.stringMatching(/^root_[0-9a-f]{8}$/),
    });
  });

  it('has no key id when the key was refused', async () => {
    const headers = { 'x-api-key': WRONG_KEY, 'x-request-id': 'logged-2' };
    await fetch(`${url}/api/internal/users/12345`, { headers });
    expect(await lineOf('logged-2')).toMatchObject({ status: 401, keyId: null });
  });

  it('stands alone: one for each request', async () => {
    await fetch(`${url}/api/health/live`, { headers: { 'x-request-id': 'logged-3' } });
    expect(await lineOf('logged-3')).toMatchObject({ route: '/api/health/live' });
    expect(requestLines().filter((line) => line.requestId === 'logged-3')).toHaveLength(1);
  });
});

describe('a weak root key', () => {
  it('is warned of in development, by its id', () => {
    expect(backend.output).toMatch(
      /"level":"warn".*Root key root_[0-9a-f]{8} is .*: refused in production/,
    );
  });
});

describe('at trace level', () => {
  it('no secret and no personal detail reaches any output', async () => {
    await provoke();
    expect(requestLines().length).toBeGreaterThan(9);
    for (const secret of SECRETS) {
      expect(backend.output).not.toContain(secret);
      expect(backend.output).not.toContain(encodeURIComponent(secret));
      expect(backend.output).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
      expect(backend.output).not.toContain(Buffer.from(secret).toString('hex').slice(0, 30));
    }
    expect(backend.output).not.toContain('canary');
    expect(backend.commandLine).not.toContain('canary');
  });

  it('the search of this test finds a secret that is there', () => {
    expect(`${backend.output}${KEY}`).toContain('canary');
  });
});
