import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  clusterDirectory,
  EmbeddedPostgres,
  embeddedDatabaseUrl,
} from '../scripts/embedded-postgres.js';

const NOT_IN_A_FRESH_CHECKOUT = new Set([
  '.git',
  'node_modules',
  'dist',
  'generated',
  'coverage',
  'reports',
  '.data',
  '.env',
]);
const CURL_LINE = /^curl .*$/m;

/** A copy of the checkout as a newcomer has it, which other accounts can't enter. */
async function makeCheckout(): Promise<string> {
  const checkout = await mkdtemp(join(tmpdir(), 'latchkey-checkout-'));
  await cp('.', checkout, {
    recursive: true,
    filter: (path) => !NOT_IN_A_FRESH_CHECKOUT.has(basename(path)),
  });
  await symlink(join(process.cwd(), 'node_modules'), join(checkout, 'node_modules'));
  return checkout;
}

async function removeCheckout(checkout: string): Promise<void> {
  await rm(clusterDirectory(checkout), { recursive: true, force: true });
  await rm(checkout, { recursive: true });
}

/** `npm start` as a terminal runs it: a process group of its own. */
class Start {
  readonly port = randomInt(10_000, 20_000);
  readonly exited: Promise<unknown>;
  output = '';
  private readonly npm: ChildProcess;

  constructor(checkout: string, variables: NodeJS.ProcessEnv = {}) {
    const { PATH, HOME } = process.env;
    this.npm = spawn('npm', ['start', '--silent'], {
      cwd: checkout,
      detached: true,
      env: { PATH, HOME, PORT: `${this.port}`, LOG_LEVEL: 'warn', ...variables },
    });
    this.npm.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.npm.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = once(this.npm, 'close');
  }

  get exitCode(): number | null {
    return this.npm.exitCode;
  }

  async ready(): Promise<this> {
    const isOver = () => CURL_LINE.test(this.output) || this.exitCode !== null;
    await vi.waitUntil(isOver, { timeout: 60_000 });
    expect(this.output).toMatch(CURL_LINE);
    return this;
  }

  /** To the whole group, as Ctrl-C in a terminal does. */
  async signal(name: NodeJS.Signals): Promise<void> {
    const hasEnded = this.npm.exitCode !== null || this.npm.signalCode !== null;
    if (this.npm.pid !== undefined && !hasEnded) process.kill(-this.npm.pid, name);
    await this.exited;
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Runs a line as somebody who pasted it into a shell in the checkout would. */
async function paste(line: string, checkout: string): Promise<string> {
  const { PATH, HOME } = process.env;
  const { stdout } = await promisify(execFile)('sh', ['-c', line], {
    cwd: checkout,
    env: { PATH, HOME },
  });
  return stdout;
}

describe('npm start', () => {
  const started: Start[] = [];
  let checkout: string;

  function start(variables?: NodeJS.ProcessEnv): Promise<Start> {
    const next = new Start(checkout, variables);
    started.push(next);
    return next.ready();
  }

  function databasePort(): number {
    return Number(new URL(embeddedDatabaseUrl(checkout) ?? '').port);
  }

  beforeAll(async () => {
    checkout = await makeCheckout();
    await (await start()).signal('SIGINT');
  }, 90_000);

  afterEach(() => Promise.all(started.splice(0).map((one) => one.signal('SIGINT'))));

  afterAll(() => removeCheckout(checkout));

  it('makes an .env with a strong key that only its owner can read', async () => {
    const { mode } = await stat(join(checkout, '.env'));

    expect(mode & 0o777).toBe(0o600);
    expect(await readFile(join(checkout, '.env'), 'utf8')).toMatch(
      /^INTERNAL_API_KEY=[0-9a-f]{64}$/m,
    );
  });

  it('prints a line that works when pasted, and that does not show the key', async () => {
    const { output } = await start();
    const line = CURL_LINE.exec(output)?.[0] ?? '';

    expect(line).not.toMatch(/[0-9a-f]{64}/);
    expect(JSON.parse(await paste(line, checkout))).toMatchObject({
      user: { id: '12345', name: 'John Doe' },
    });
  });

  it('stops the backend and the database at Ctrl-C', async () => {
    const running = await start();
    expect(await Promise.all([running.port, databasePort()].map(listens))).toEqual([true, true]);

    await running.signal('SIGINT');

    expect(running.exitCode).toBe(0);
    expect(await Promise.all([running.port, databasePort()].map(listens))).toEqual([false, false]);
  });

  it('serves what was in the database before', async () => {
    const postgres = await EmbeddedPostgres.start({ directory: clusterDirectory(checkout) });
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(
      `INSERT INTO users (id, email, name, roles, permissions, updated_at)
       VALUES ('kept', 'kept@example.com', 'Kept', '{}', '{}', now())`,
    );
    await client.end();
    await postgres.stop();

    const { output } = await start();

    const line = (CURL_LINE.exec(output)?.[0] ?? '').replace('12345', 'kept');
    expect(JSON.parse(await paste(line, checkout))).toMatchObject({ user: { name: 'Kept' } });
  });

  it('works again after it was killed', async () => {
    const killed = await start();
    await killed.signal('SIGKILL');
    await expect.poll(() => listens(killed.port), { timeout: 10_000 }).toBe(false);

    await start();

    expect(await listens(databasePort())).toBe(true);
  });

  it('refuses to run twice on one checkout', async () => {
    await start();
    const second = new Start(checkout);
    await second.exited;

    expect(second.exitCode).toBe(1);
    expect(second.output).toMatch(/in use by another npm start/);
    expect(await listens(databasePort())).toBe(true);
  });
});

describe('npm start that cannot serve', () => {
  let checkout: string;

  beforeEach(async () => {
    checkout = await makeCheckout();
  });

  afterEach(() => removeCheckout(checkout));

  async function failToStart(variables: NodeJS.ProcessEnv = {}): Promise<string> {
    const start = new Start(checkout, variables);
    await start.exited;
    expect(start.exitCode).toBe(1);
    return start.output;
  }

  it('names the port that is taken', async () => {
    const PORT = `${randomInt(10_000, 20_000)}`;
    const other = createServer().listen(Number(PORT), '127.0.0.1');
    await once(other, 'listening');

    const output = await failToStart({ PORT });
    other.close();

    expect(output).toBe(`✗ Port ${PORT} is taken: stop the other program or set PORT in .env.\n`);
  });

  it('names the line of .env that is broken, without showing it', async () => {
    await writeFile(join(checkout, '.env'), 'INTERNAL_API_KEY=abc\nsecret words\n');

    expect(await failToStart()).toBe('✗ Line 2 of .env is not NAME=value: correct it.\n');
  });

  it('names the variable of .env that is missing', async () => {
    await writeFile(join(checkout, '.env'), 'LOG_LEVEL=info\n');

    expect(await failToStart()).toMatch(/INTERNAL_API_KEY: is required/);
  });

  it('names the database that cannot be reached, without its password', async () => {
    const DATABASE_URL = 'postgresql://someone:hidden-word@127.0.0.1:1/latchkey';

    expect(await failToStart({ DATABASE_URL })).toBe(
      "✗ The database at 127.0.0.1:1/latchkey can't be reached (ECONNREFUSED): check DATABASE_URL.\n",
    );
  });

  it('asks for a database of its own in production', async () => {
    expect(await failToStart({ NODE_ENV: 'production' })).toBe(
      '✗ Production needs a database of its own: set DATABASE_URL.\n',
    );
  });
});
