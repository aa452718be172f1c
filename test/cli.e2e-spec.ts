import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { API_KEY, startApp } from './support/app.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let database: TestDatabase;
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp({ DATABASE_URL: database.runTimeUrl });
  url = await app.getUrl();
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

/** Runs a built command as a script does: no terminal, and nothing in its environment but what it needs. */
function run(
  command: 'keys' | 'audit',
  args: string[],
  { stdin = '', databaseUrl = database.runTimeUrl } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [`dist/cli/${command}.js`, ...args],
      {
        env: {
          PATH: process.env.PATH,
          NODE_ENV: 'test',
          DATABASE_URL: databaseUrl,
          INTERNAL_API_KEY: API_KEY,
        },
      },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.end(stdin);
  });
}

const keys = (...args: string[]) => run('keys', args);

async function create(...options: string[]): Promise<{ id: string; secret: string }> {
  const named = ['create', '--name', 'test', '--scopes', 'users:read'];
  const { stdout } = await keys(...named, '--reveal', '--json', ...options);
  const { apiKey, secret } = JSON.parse(stdout);
  return { id: apiKey.id, secret };
}

describe('keys create', () => {
  it('makes a key that is good at once, and says who made it', async () => {
    const { id, secret } = await create(
      '--read-fields',
      'name,email',
      '--write-fields',
      'phone',
      '--networks',
      '127.0.0.1',
    );
    expect(await statusWith(url, secret)).toBe(ADMITTED);
    const { stdout } = await keys('show', id, '--json');
    expect(JSON.parse(stdout).apiKey).toMatchObject({
      readFields: ['email', 'name'],
      writeFields: ['phone'],
      networks: ['127.0.0.1/32'],
      createdBy: expect.stringMatching(/^cli:/),
    });
  });

  it('makes nothing where the secret would end in a log or a file by mistake', async () => {
    const before = JSON.parse((await keys('list', '--json')).stdout).apiKeys.length;
    const outcome = await keys('create', '--name', 'test', '--scopes', 'users:read');
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('--reveal');
    expect(JSON.parse((await keys('list', '--json')).stdout).apiKeys).toHaveLength(before);
  });

  it('shows people the key once, with all that it allows', async () => {
    const named = ['create', '--name', 'for people', '--scopes', 'users:read,accounts:read'];
    const { code, stdout } = await keys(...named, '--reveal');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^scopes +users:read, accounts:read$/m);
    const secret = stdout.trim().split('\n').at(-1) ?? '';
    expect(await statusWith(url, secret)).toBe(ADMITTED);
  });

  it.each([
    ['no name', ['--scopes', 'users:read']],
    ['an unknown scope', ['--name', 'a', '--scopes', 'users:all']],
    [
      'a lifetime that is no number',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', 'x'],
    ],
    ['an empty number', ['--name', 'a', '--scopes', 'users:read', '--rate-limit', '']],
    [
      'a lifetime that no calendar has',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', '1000000000'],
    ],
    [
      'a lifetime that is too long',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', '400'],
    ],
    ['an option that does not exist', ['--name', 'a', '--scopes', 'users:read', '--secret', 'x']],
  ])('refuses %s as wrong usage', async (_case, options) => {
    const outcome = await keys('create', '--reveal', ...options);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).not.toBe('');
  });
});

describe('keys list', () => {
  it('is a table for people', async () => {
    const { id } = await create();
    const { stdout } = await keys('list');
    expect(stdout.split('\n')[0]).toMatch(/^id +name +key +status +scopes +expires +last used$/);
    expect(stdout).toMatch(new RegExp(`^${id} +test +lk_test_....… +active +users:read `, 'm'));
  });
});

describe('keys usage', () => {
  it('does not take a mistyped id for a key that was never used', async () => {
    const { id } = await create();
    expect((await keys('usage', id.slice(1))).code).toBe(3);
  });
});

describe('keys rotate', () => {
  it('does not take an empty grace period for none', async () => {
    const { id } = await create();
    expect((await keys('rotate', id, '--grace-seconds', '', '--reveal')).code).toBe(2);
    expect((await keys('show', id)).stdout).not.toContain('retires');
  });

  it('makes a successor and keeps the key for the grace period', async () => {
    const old = await create();
    const { stdout } = await keys('rotate', old.id, '--grace-seconds', '60', '--reveal', '--json');
    const { secret, predecessor } = JSON.parse(stdout);
    expect(predecessor).toMatchObject({ id: old.id, status: 'retiring' });
    expect(await statusWith(url, old.secret)).toBe(ADMITTED);
    expect(await statusWith(url, secret)).toBe(ADMITTED);
    const again = await keys('rotate', old.id, '--reveal');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('successor');
  });
});

describe('keys revoke', () => {
  it('ends when the running process refuses the key', async () => {
    const { id, secret } = await create();
    const { code, stdout } = await keys('revoke', id, '--reason', 'test');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Revoked: 1 running processes refuse it, \d+ ms after the request\.$/m);
    expect(await statusWith(url, secret)).toBe(REFUSED);
  });

  it('names the keys that it has issued, which are revoked with it or kept', async () => {
    const makePair = async () => {
      const issuer = await create('--scopes', 'users:read,keys:write');
      return { issuer, issued: await issueKey(url, { name: 'issued' }, issuer.secret) };
    };
    const one = await makePair();
    const { stdout } = await keys('revoke', one.issuer.id);
    expect(stdout).toContain(`Revoked with it: ${one.issued.id} issued\n`);
    expect(await statusWith(url, one.issued.secret)).toBe(REFUSED);
    const other = await makePair();
    const kept = await keys('revoke', other.issuer.id, '--keep-issued');
    expect(kept.stdout).toContain(`Still active: ${other.issued.id} issued\n`);
    expect(await statusWith(url, other.issued.secret)).toBe(ADMITTED);
  });

  it('says with its exit code that there is no such key', async () => {
    const outcome = await keys('revoke', '01a2121f-9309-7787-bbd6-16f4ac6aefb1');
    expect(outcome).toMatchObject({ code: 3, stderr: 'There is no API key with this id.\n' });
  });
});

describe('keys verify', () => {
  it('reads the key from stdin, and tells what it is', async () => {
    const { id, secret } = await create();
    const good = await run('keys', ['verify', '--json'], { stdin: `${secret}\n` });
    expect(JSON.parse(good.stdout)).toEqual({ outcome: 'admitted', keyId: id });
    const bad = await run('keys', ['verify'], { stdin: secret.slice(0, -1) });
    expect(bad).toMatchObject({ code: 5, stderr: 'The key is not good: malformed.\n' });
    const root = await run('keys', ['verify'], { stdin: API_KEY });
    expect(root).toMatchObject({ code: 0, stdout: expect.stringContaining('root_') });
  });
});

describe('keys generate', () => {
  it('makes a root key that production takes', async () => {
    const { stdout } = await keys('generate', '--reveal');
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect((await keys('generate')).code).toBe(2);
  });
});

describe('audit', () => {
  it('verify says that the trail is whole, and prints its head', async () => {
    await create();
    const { code, stdout } = await run('audit', ['verify']);
    expect(code).toBe(0);
    const [, head = ''] = /head (\d+:[0-9a-f]{64})/.exec(stdout) ?? [];
    await create();
    expect((await run('audit', ['verify', '--head', head])).code).toBe(0);
    expect((await run('audit', ['verify', '--head', `1:${'0'.repeat(64)}`])).code).toBe(5);
    expect((await run('audit', ['verify', '--head', 'x'])).code).toBe(2);
  });

  it('verify tells scripts what is wrong too', async () => {
    await create();
    const wrong = ['verify', '--json', '--head', `1:${'0'.repeat(64)}`];
    const { code, stdout } = await run('audit', wrong);
    expect(code).toBe(5);
    expect(JSON.parse(stdout).faults).toMatchObject([{ sequence: '1' }]);
  });

  it('list shows what was done to a key, and by whom', async () => {
    const { id } = await create();
    await keys('revoke', id);
    const { stdout } = await run('audit', ['list', '--subject', id]);
    expect(stdout).toMatch(/^\d+ +\S+ +cli:\S+ +create /m);
    expect(stdout).toMatch(/^\d+ +\S+ +cli:\S+ +revoke /m);
    const byNobody = await run('audit', ['list', '--actor', 'nobody', '--json']);
    expect(byNobody.stdout).toBe('');
    const lines = (await run('audit', ['list', '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ action: 'revoke', subject: id });
  });
});

describe('every command', () => {
  it('says in a sentence that the database can’t be reached', async () => {
    const databaseUrl = 'postgresql://app:canary@127.0.0.1:1/none';
    const outcome = await run('keys', ['list'], { databaseUrl });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(
      'The database cannot be reached, or takes too long: check DATABASE_URL.',
    );
    expect(outcome.stderr).not.toContain('canary');
  });
});
