import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Client } from 'pg';
import { BACKEND_MAIN, ServerProcess } from './support/server-process.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';

const canary = () => `canary${randomBytes(16).toString('hex')}`;

const MARKER = randomBytes(8).toString('hex');
// A root key that is short enough to cause a warning.
const KEY = canary().slice(0, 30);
const PREVIOUS_KEY = canary();
const WRONG_KEY = canary();
const DATABASE_PASSWORD = canary();
const PERSON = { email: `${canary()}@example.com`, name: canary(), phone: '+442079460987' };
const FAILING_TRIGGER = `
  CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'cannot store %', NEW; END $$;
  CREATE TRIGGER fail BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION fail()`;
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
let backend: ServerProcess;
let url: string;

beforeAll(async () => {
  database = await createTestDatabase();
  role = `latchkey_test_${randomBytes(6).toString('hex')}`;
  await query(
    inject('databaseServerUrl'),

    `CREATE ROLE ${role} LOGIN PASSWORD '${DATABASE_PASSWORD}' IN ROLE ${inject('runTimeAccount').name}`,
  );
  const databaseUrl = new URL(database.url);
  databaseUrl.username = role;
  databaseUrl.password = DATABASE_PASSWORD;
  backend = await ServerProcess.start(BACKEND_MAIN, {
    DATABASE_URL: databaseUrl.href,
    INTERNAL_API_KEY: KEY,
    INTERNAL_API_KEY_PREVIOUS: PREVIOUS_KEY,
    LOG_LEVEL: 'trace',
    PORT: '0',
  });
  url = backend.origin;
});

afterAll(async () => {
  await backend.stop();
  await database.drop();
  await query(inject('databaseServerUrl'), `DROP ROLE ${role}`);
});

async function query(connectionString: string, statement: string): Promise<void> {
  const client = new Client({ connectionString });
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

/** The log lines about requests, as parsed JSON. */
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

/**
 * Sends requests that could carry a secret into a log: valid, refused, malformed, conflicting and
 * failing ones.
 */
async function sendSecrets(): Promise<void> {
  const users = '/api/internal/users';
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
    ['GET', `/api/%zz${WRONG_KEY}`],
  ];
  for (const attempt of attempts) await send(...attempt);
  await sendBroken(`GET ${users} HTTP/9.9\r\nX-API-Key: ${KEY}\r\n\r\n`);
  await sendBroken(`GET ${users} HTTP/1.1\r\nHost: a\r\nX: ${KEY.repeat(1000)}\r\n\r\n`);
  // The error message of the trigger quotes the row.
  await query(database.url, FAILING_TRIGGER);
  const failed = await send('POST', users, KEY, { id: 'p4', ...PERSON });
  expect(failed.status).toBe(500);
}

async function sendBroken(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('close', () => resolve(received));
    socket.on('error', () => resolve(received));
  });
}

describe('the log line of a request', () => {
  it('has the request id, route pattern, status, duration and key id', async () => {
    const headers = { 'x-api-key': KEY, 'x-request-id': 'logged-1' };
    await fetch(`${url}/api/internal/users/12345?include=accounts`, { headers });
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
      event: 'authn_login_success',
      outcome: 'admitted',
      limit: null,
      source: '127.0.0.1',
      client: 'node',
    });
  });

  it('has no key id if the key was refused', async () => {
    const headers = { 'x-api-key': WRONG_KEY, 'x-request-id': 'logged-2' };
    await fetch(`${url}/api/internal/users/12345`, { headers });
    expect(await lineOf('logged-2')).toMatchObject({
      status: 401,
      keyId: null,
      event: 'authn_login_fail',
      outcome: 'unknown',
    });
  });

  it('is written once per request', async () => {
    await fetch(`${url}/api/health/live`, { headers: { 'x-request-id': 'logged-3' } });
    expect(await lineOf('logged-3')).toMatchObject({ route: '/api/health/live' });
    expect(requestLines().filter((line) => line.requestId === 'logged-3')).toHaveLength(1);
  });
});

describe('a weak root key', () => {
  it('causes a warning with its id in development', () => {
    expect(backend.output).toMatch(
      /"level":"warn".*Root key root_[0-9a-f]{8} is .*: accepted here, but not in production/,
    );
  });
});

describe('a request that reaches no route handler', () => {
  it('is logged if the router refuses it', async () => {
    const headers = { 'x-request-id': 'logged-4' };
    await fetch(`${url}/api/internal/users/%zz`, { headers });
    expect(await lineOf('logged-4')).toMatchObject({ status: 400, route: null });
  });

  it('is logged if the parser refuses it', async () => {
    const response = await sendBroken('nonsense\r\n\r\n');
    const [, requestId = ''] = /x-request-id: (\S+)/i.exec(response) ?? [];
    expect(await lineOf(requestId)).toMatchObject({ status: 400, route: null, keyId: null });
  });

  it('is logged if its client disconnects', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `POST /api/internal/users HTTP/1.1\r\nHost: a\r\nX-Request-Id: logged-5\r\nX-API-Key: ${KEY}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    expect(await lineOf('logged-5')).toMatchObject({ status: 499, route: '/api/internal/users' });
    expect(backend.output).not.toContain('"level":"error"');
  });
});

describe('the output at trace level', () => {
  it('contains no secret and no personal data', async () => {
    await sendSecrets();
    await fetch(`${url}/api/health/live`, { headers: { 'x-request-id': `end-${MARKER}` } });
    await lineOf(`end-${MARKER}`);
    // Control: the output contains allowed data, so the search below would also find secrets.
    expect(backend.output).toContain(MARKER);
    expect(backend.output).toContain('"msg":"unexpected error"');
    for (const secret of SECRETS) {
      const encoded = Buffer.from(secret);
      expect(backend.output).not.toContain(secret);
      expect(backend.output).not.toContain(encodeURIComponent(secret));
      expect(backend.output).not.toContain(encoded.toString('base64').slice(0, 20));
      expect(backend.output).not.toContain(encoded.toString('hex').slice(0, 30));
    }
    expect(`${backend.output}${backend.commandLine}`).not.toContain('canary');
  });
});
