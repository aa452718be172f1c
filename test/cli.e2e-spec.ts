import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { run as runCommandLine } from '../src/cli/program.js';
import { API_KEY, startApp } from './support/app.js';
import { type TestDatabase, createTestDatabase } from './support/database.js';
import { ADMITTED, REFUSED, issueKey, statusWith } from './support/keys.js';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Variables = Record<string, string>;

interface Settings {
  readonly stdin?: string;
  readonly variables?: Variables;
  readonly cwd?: string;
}

const UNKNOWN_ID = '01a2121f-9309-7787-bbd6-16f4ac6aefb1';

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

/** Runs the built command like a script: without a terminal, and with only these variables. */
function execute(
  args: readonly string[],
  { stdin = '', variables = {}, cwd }: Settings = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['dist/cli.js', ...args],
      { cwd, env: { PATH: process.env.PATH, ...variables } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.end(stdin);
  });
}

/** Runs a command that uses the database directly. */
function run(
  command: 'keys' | 'audit',
  args: readonly string[],
  { stdin = '', variables = {} }: Settings = {},
): Promise<Outcome> {
  const defaults = {
    NODE_ENV: 'test',
    DATABASE_URL: database.runTimeUrl,
    INTERNAL_API_KEY: API_KEY,
  };
  return execute([command, ...args], { stdin, variables: { ...defaults, ...variables } });
}

/** Runs the command line in this process, which is faster than starting another process. */
async function runHere(args: readonly string[], variables: Variables = {}): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((text) => void (written.stdout += `${text}\n`)),
    vi.spyOn(console, 'error').mockImplementation((text) => void (written.stderr += `${text}\n`)),
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      written.stdout += String(text);
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.stderr += String(text);
      return true;
    }),
  ];
  const stubbed = { COLUMNS: '', ...variables };
  for (const [name, value] of Object.entries(stubbed)) vi.stubEnv(name, value);
  try {
    return { code: await runCommandLine(['node', 'latchkey', ...args]), ...written };
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
}

/** Runs a command that calls the server with a key and does not use the database. */
function remote(
  args: readonly string[],
  { key = API_KEY, stdin, variables = {} }: Settings & { readonly key?: string } = {},
): Promise<Outcome> {
  const options = [...args, '--url', url];
  const given = { ...variables, LATCHKEY_API_KEY: key };
  return stdin === undefined
    ? runHere(options, given)
    : execute(options, { stdin, variables: given });
}

const keys = (...args: string[]) => remote(['keys', ...args]);
const audit = (...args: string[]) => remote(['audit', ...args]);

async function create(...options: string[]): Promise<{ id: string; secret: string }> {
  const createArgs = ['create', '--name', 'test', '--scopes', 'users:read'];
  const { stdout } = await keys(...createArgs, '--reveal', '--json', ...options);
  const { apiKey, secret } = JSON.parse(stdout);
  return { id: apiKey.id, secret };
}

describe('keys create', () => {
  it('creates a key that is valid immediately, and records its creator', async () => {
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
      createdBy: expect.stringMatching(/^root_/),
    });
  });

  it('creates no key if stdout is not a terminal and --reveal is missing', async () => {
    const before = JSON.parse((await keys('list', '--json')).stdout).apiKeys.length;
    const outcome = await keys('create', '--name', 'test', '--scopes', 'users:read');
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('--reveal');
    expect(JSON.parse((await keys('list', '--json')).stdout).apiKeys).toHaveLength(before);
  });

  it('prints the key once, with its scopes', async () => {
    const createArgs = ['create', '--name', 'for people', '--scopes', 'users:read,accounts:read'];
    const { code, stdout } = await keys(...createArgs, '--reveal');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^scopes +users:read, accounts:read$/m);
    expect(stdout).toMatch(/^reads fields +all\nwrites fields none$/m);
    const secret = stdout.trim().split('\n').at(-1) ?? '';
    expect(await statusWith(url, secret)).toBe(ADMITTED);
  });

  it.each([
    ['a missing name', ['--scopes', 'users:read']],
    ['an unknown scope', ['--name', 'a', '--scopes', 'users:all']],
    [
      'a lifetime that is not a number',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', 'x'],
    ],
    ['an empty number', ['--name', 'a', '--scopes', 'users:read', '--rate-limit', '']],
    [
      'a lifetime beyond the range of dates',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', '1000000000'],
    ],
    ['a rate limit of zero', ['--name', 'a', '--scopes', 'users:read', '--rate-limit', '0']],
    [
      'a lifetime that is too long',
      ['--name', 'a', '--scopes', 'users:read', '--expires-in-days', '400'],
    ],
    ['an option that does not exist', ['--name', 'a', '--scopes', 'users:read', '--secret', 'x']],
  ])('exits with 2 for %s', async (_case, options) => {
    const outcome = await keys('create', '--reveal', ...options);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).not.toBe('');
  });
});

describe('an invalid option', () => {
  it('is reported with its bounds, after the missing options', async () => {
    const invalid = ['--rate-limit', '0', '--expires-in-days', '400', '--scopes', 'users:all'];
    const outcome = await runHere(['keys', 'create', ...invalid]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr.trim().split('\n')).toEqual([
      '--name must be given',
      expect.stringMatching(/^--scopes must be one of users:read, .* \(users:all\)$/),
      '--rate-limit must be at least 1 per minute',
      '--expires-in-days must be a whole number from 1 to 366',
    ]);
  });

  it('is reported before the missing --reveal', async () => {
    const outcome = await runHere([
      'keys',
      'rotate',
      UNKNOWN_ID,
      '--retire-after-quiet-seconds',
      '5',
    ]);
    expect(outcome).toMatchObject({
      code: 2,
      stderr: '--retire-after-quiet-seconds must be at least 60 s\n',
    });
  });

  it('is reported by its name, even if only the server detects the error', async () => {
    const outcome = await remote(['keys', 'show', 'not-an-id']);
    expect(outcome).toMatchObject({ code: 2, stderr: 'KEY_ID must be the id of a key\n' });
  });
});

describe('the environment of a key', () => {
  it('must be that of the running servers; otherwise an error names the variable to change', async () => {
    const args = ['create', '--name', 'test', '--scopes', 'users:read', '--reveal'];
    const outcome = await run('keys', args, { variables: { API_KEY_ENVIRONMENT: 'dev' } });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('\nAPI_KEY_ENVIRONMENT: the running servers admit test keys');
    expect(outcome.stderr).toContain('set API_KEY_ENVIRONMENT=test');
  });

  it('can be any environment while no server runs', async () => {
    const empty = await createTestDatabase();
    const args = ['create', '--name', 'test', '--scopes', 'users:read', '--reveal', '--json'];
    const variables = { API_KEY_ENVIRONMENT: 'dev', DATABASE_URL: empty.runTimeUrl };
    const { stdout } = await run('keys', args, { variables });
    expect(JSON.parse(stdout).apiKey.environment).toBe('dev');
    await empty.drop();
  });
});

describe('a command without --url', () => {
  it('prints the same as with --url, and records the operator', async () => {
    const createArgs = ['create', '--name', 'local', '--scopes', 'users:read', '--as', 'alice'];
    const created = await run('keys', [...createArgs, '--reveal', '--json']);
    const { apiKey, secret } = JSON.parse(created.stdout);
    expect(apiKey.createdBy).toBe('cli:alice');
    expect(await statusWith(url, secret)).toBe(ADMITTED);
    const show = ['keys', 'show', apiKey.id, '--json'];
    expect((await run('keys', show.slice(1))).stdout).toBe((await remote(show)).stdout);
    const verify = await run('keys', ['verify', '--json'], { stdin: secret });
    expect(JSON.parse(verify.stdout)).toEqual({ outcome: 'admitted', keyId: apiKey.id });
    const { stdout } = await run('keys', ['revoke', apiKey.id]);
    expect(stdout).toMatch(/^Refused by all running processes \(1\) after \d+ ms\.$/m);
    const trail = await run('audit', ['list', '--actor', 'cli:alice']);
    expect(trail.stdout).toContain(`create\n      ${apiKey.id} local\n      by cli:alice\n`);
  });
});

describe('a command with --url', () => {
  it('manages keys over HTTP, without a database', async () => {
    const createArgs = ['keys', 'create', '--name', 'remote', '--scopes', 'users:read'];
    const created = await remote([...createArgs, '--reveal', '--json']);
    const { apiKey, secret } = JSON.parse(created.stdout);
    expect(await statusWith(url, secret)).toBe(ADMITTED);
    expect((await remote(['keys', 'list'])).stdout).toContain(apiKey.id);
    expect((await remote(['keys', 'usage', apiKey.id])).stdout).toContain(`remote  ${apiKey.id}`);
    // The id `none` stands for requests without a known key.
    expect((await remote(['keys', 'usage', 'none'])).code).toBe(0);
    expect((await remote(['keys', 'rotate', apiKey.id, '--reveal'])).code).toBe(0);
    expect((await remote(['keys', 'revoke', apiKey.id])).code).toBe(0);
    expect((await remote(['keys', 'show', UNKNOWN_ID])).code).toBe(3);
    expect(await statusWith(url, secret)).toBe(REFUSED);
    expect((await remote(['audit', 'verify'])).stdout).toMatch(/^\d+ events, head \d+:/);
  });

  it('verifies a key from stdin, and authenticates with a key from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-cli-'));
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, `${API_KEY}\n`);
    const { secret } = await create();
    const args = ['keys', 'verify', '--url', url, '--key-file'];
    expect(await execute([...args, keyFile], { stdin: secret })).toMatchObject({ code: 0 });
    expect(await execute([...args, keyFile], { stdin: 'lk_test_x' })).toMatchObject({ code: 5 });
    expect(await execute([...args, '-'], { stdin: API_KEY })).toMatchObject({ code: 2 });
    const list = ['keys', 'list', '--url', url, '--key-file', '-'];
    expect(await execute(list, { stdin: `${API_KEY}\n` })).toMatchObject({ code: 0 });
    await rm(folder, { recursive: true });
  });

  it('records the id of the calling key in front of the operator’s name, so that no operator can impersonate a key', async () => {
    const other = await create();
    const { id } = await issueKey(url, { name: 'drill' });
    expect((await remote(['keys', 'revoke', id, '--as', other.id])).code).toBe(0);
    const events = await remote(['audit', 'list', '--subject', id, '--json']);
    const last = JSON.parse(events.stdout.trim().split('\n').at(-1) ?? '');
    expect(last.actor).toMatch(new RegExp(`^root_[0-9a-f]{8}:${other.id}$`));
    expect((await remote(['audit', 'list', '--actor', other.id])).stdout).toBe('');
    const [rootId = ''] = last.actor.split(':');
    const byRoot = await remote(['audit', 'list', '--actor', rootId, '--subject', id]);
    expect(byRoot.stdout).toContain(`by ${last.actor}`);
    expect((await keys('list', '--as', 'not a name')).code).toBe(2);
  });

  it.each([
    ['a missing key', 'http://127.0.0.1:1', '', 'set LATCHKEY_API_KEY'],
    ['an unreachable server', 'http://127.0.0.1:1', API_KEY, 'check --url'],
    ['a password in the URL', 'http://a:b@127.0.0.1', API_KEY, '--url must be'],
  ])('names the next step for %s', async (_case, server, key, step) => {
    const variables = { LATCHKEY_API_KEY: key };
    const { code, stderr } = await runHere(['keys', 'list', '--url', server], variables);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(step);
    expect(stderr).not.toContain('    at ');
  });

  it('names the possible sources of a refused key', async () => {
    const { code, stderr } = await remote(['keys', 'list'], { key: 'wrong' });
    expect(code).toBe(1);
    expect(stderr).toContain('Check the key in --key-file or LATCHKEY_API_KEY');
  });

  it('names the scope that the key lacks', async () => {
    const { secret } = await create();
    const outcome = await remote(['keys', 'list'], { key: secret });
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stderr).toContain('Use a key with the scope keys:read.');
  });

  it('runs where Nest, Prisma and pg are not installed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-cli-'));
    const copy = (path: string) => cp(path, join(folder, path), { recursive: true });
    const libraries = ['commander', 'zod', 'ipaddr.js', 'libphonenumber-js'];
    const workspacePackages = ['environment', 'access-tokens'].flatMap((name) =>
      ['dist', 'package.json'].map((part) =>
        cp(`packages/${name}/${part}`, join(folder, 'node_modules/@latchkey', name, part), {
          recursive: true,
        }),
      ),
    );
    const paths = ['dist', 'package.json', ...libraries.map((name) => `node_modules/${name}`)];
    await Promise.all([...paths.map(copy), ...workspacePackages]);
    const variables = { LATCHKEY_API_KEY: API_KEY };
    const { code, stderr } = await execute(['keys', 'list', '--url', url], {
      variables,
      cwd: folder,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const local = await execute(['keys', 'list'], { cwd: folder });
    expect(local.stderr).toContain('Cannot find package');
    await rm(folder, { recursive: true });
  });
});

describe('--help', () => {
  it.each(
    ['create', 'list', 'show', 'usage', 'rotate', 'revoke', 'verify', 'generate']
      .map((name) => ['keys', name])
      .concat([
        ['audit', 'verify'],
        ['audit', 'list'],
      ]),
  )('shows an example and the exit codes for %s %s', async (...command) => {
    const { stdout } = await runHere([...command, '--help']);
    expect(stdout).toContain(`Example:\n  latchkey ${command.join(' ')}`);
    expect(stdout).toContain('Exit codes:');
  });

  it('shows the bounds of numbers', async () => {
    const { stdout } = await runHere(['keys', 'rotate', '--help']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('for this many seconds, 60 to 2592000');
  });
});

describe('--version', () => {
  it('prints the version', async () => {
    expect((await runHere(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('keys list', () => {
  it('fits 80 columns, lists valid keys first, and hides invalid keys without --all', async () => {
    const ended = await create();
    await keys('revoke', ended.id);
    const name = 'a name that is far too long for a line of a table, whatever its width';
    const { id } = await create('--name', name);
    const { stdout } = await keys('list');
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^id +name +status +ends/);
    expect(stdout).toMatch(new RegExp(`^${id} +a name that.*… +active +in 90 d`, 'm'));
    expect(stdout).not.toContain(ended.id);
    expect(lines.at(-1)).toMatch(/^\d+ expired, retired or revoked keys are hidden: add --all\.$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const all = (await keys('list', '--all')).stdout;
    expect(all.indexOf(ended.id)).toBeGreaterThan(all.indexOf(id));
    const wide = await remote(['keys', 'list'], { variables: { COLUMNS: '200' } });
    expect(wide.stdout).toContain(`${name}  active`);
    expect(wide.stdout).toContain('users:read');
  });
});

describe('keys usage', () => {
  it('exits with 3 for a mistyped id instead of reporting an unused key', async () => {
    const { id } = await create();
    expect((await keys('usage', id.slice(1))).code).toBe(3);
  });
});

describe('keys rotate', () => {
  it('refuses an empty grace period, and does not treat it as zero', async () => {
    const { id } = await create();
    expect((await keys('rotate', id, '--grace-seconds', '', '--reveal')).code).toBe(2);
    expect((await keys('show', id)).stdout).not.toContain('retires');
  });

  it('creates a successor, and keeps the old key valid for the grace period', async () => {
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
  it('completes once the running process refuses the key', async () => {
    const { id, secret } = await create();
    const { code, stdout } = await keys('revoke', id, '--reason', 'test');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Refused by all running processes \(1\) after \d+ ms\.$/m);
    expect(await statusWith(url, secret)).toBe(REFUSED);
  });

  it('names the keys that the revoked key issued, and revokes or keeps them as requested', async () => {
    const makePair = async () => {
      const issuer = await create('--scopes', 'users:read,keys:write');
      return { issuer, issued: await issueKey(url, { name: 'issued' }, issuer.secret) };
    };
    const one = await makePair();
    const { stdout } = await keys('revoke', one.issuer.id, '--with-issued');
    expect(stdout).toContain(`Revoked: ${one.issuer.id} test\n`);
    expect(stdout).toContain(`Revoked with it: ${one.issued.id} issued\n`);
    expect(await statusWith(url, one.issued.secret)).toBe(REFUSED);
    const other = await makePair();
    const kept = await keys('revoke', other.issuer.id, '--keep-issued');
    expect(kept.stdout).toContain(`Still active: ${other.issued.id} issued\n`);
    expect(await statusWith(url, other.issued.secret)).toBe(ADMITTED);
    const both = await keys('revoke', other.issuer.id, '--keep-issued', '--with-issued');
    expect(both.code).toBe(2);
  });

  it('exits with 3 for a key that does not exist', async () => {
    const outcome = await keys('revoke', UNKNOWN_ID);
    expect(outcome).toMatchObject({
      code: 3,
      stderr: 'There is no API key with this id.\nTo see all ids, run keys list --all.\n',
    });
  });
});

describe('keys verify', () => {
  it('reads the key from stdin, and prints its outcome and its id', async () => {
    const { id, secret } = await create();
    const good = await remote(['keys', 'verify', '--json'], { stdin: `${secret}\n` });
    expect(JSON.parse(good.stdout)).toEqual({ outcome: 'admitted', keyId: id });
    const bad = await remote(['keys', 'verify'], { stdin: secret.slice(0, -1) });
    expect(bad).toMatchObject({ code: 5, stderr: 'The key is not accepted: malformed.\n' });
    const root = await remote(['keys', 'verify'], { stdin: API_KEY });
    expect(root).toMatchObject({ code: 0, stdout: expect.stringContaining('root_') });
  });
});

describe('keys generate', () => {
  it('prints a root key that production accepts', async () => {
    const { stdout } = await keys('generate', '--reveal');
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect((await keys('generate')).code).toBe(2);
  });
});

describe('audit', () => {
  it('verify confirms that the trail is intact, and prints its head', async () => {
    await create();
    const { code, stdout } = await audit('verify');
    expect(code).toBe(0);
    const [, head = ''] = /head (\d+:[0-9a-f]{64})/.exec(stdout) ?? [];
    await create();
    expect((await audit('verify', '--head', head)).code).toBe(0);
    expect((await audit('verify', '--head', `1:${'0'.repeat(64)}`)).code).toBe(5);
    expect((await audit('verify', '--head', 'x')).code).toBe(2);
  });

  it('verify reports faults as JSON', async () => {
    await create();
    const wrong = ['verify', '--json', '--head', `1:${'0'.repeat(64)}`];
    const { code, stdout } = await run('audit', wrong);
    expect(code).toBe(5);
    expect(JSON.parse(stdout).faults).toMatchObject([{ sequence: 1 }]);
  });

  it('list shows the changes of a key, and the author of each', async () => {
    const { id } = await create();
    await keys('revoke', id);
    const { stdout } = await audit('list', '--subject', id);
    expect(stdout).toMatch(
      new RegExp(`^\\d+ +\\S+ \\S+  create\n +${id} test\n +by root_[0-9a-f]+:\\S+$`, 'm'),
    );
    expect(stdout).toMatch(
      new RegExp(`^\\d+ +\\S+ \\S+  revoke\n +${id} test\n +by root_[0-9a-f]+:\\S+$`, 'm'),
    );
    const byUnknownActor = await audit('list', '--actor', 'nobody', '--json');
    expect(byUnknownActor.stdout).toBe('');
    const lines = (await audit('list', '--json')).stdout.trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ action: 'revoke', subject: id });
  });
});

describe('every command', () => {
  it('reports in one sentence that the database is unreachable', async () => {
    const databaseUrl = 'postgresql://app:canary@127.0.0.1:1/none';
    const outcome = await run('keys', ['list'], { variables: { DATABASE_URL: databaseUrl } });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(
      'The database cannot be reached, or takes too long: check DATABASE_URL.',
    );
    expect(outcome.stderr).not.toContain('canary');
  });
});
