import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedPostgres, temporaryClusterDirectory } from '../../scripts/embedded-postgres.js';

const directory = temporaryClusterDirectory();
const running: EmbeddedPostgres[] = [];

async function start(): Promise<EmbeddedPostgres> {
  const postgres = await EmbeddedPostgres.start({ directory, durable: false });
  running.push(postgres);
  return postgres;
}

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

async function readServerPid(): Promise<number> {
  return Number.parseInt(await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8'), 10);
}

describe('the embedded PostgreSQL', () => {
  beforeAll(async () => {
    await (await start()).stop();
  });

  afterEach(async () => {
    for (const postgres of running.splice(0)) await postgres.stop();
  });

  afterAll(() => rm(directory, { recursive: true }));

  it('is PostgreSQL 18 with a UTF-8 database', async () => {
    const { url } = await start();

    const [row] = await query(
      url,
      `SELECT current_database(), current_setting('server_version_num')::int / 10000,
              current_setting('server_encoding'), lower('ÉCOLE')`,
    );

    expect(row).toEqual(['latchkey', 18, 'UTF8', 'école']);
  });

  it('listens on the loopback address only', async () => {
    const { url } = await start();

    const rows = await query(
      url,
      `SELECT setting FROM pg_settings
       WHERE name IN ('listen_addresses', 'unix_socket_directories') ORDER BY name`,
    );

    expect(rows).toEqual([['127.0.0.1'], ['']]);
  });

  it('refuses a wrong password', async () => {
    const url = new URL((await start()).url);
    url.password = 'wrong';

    await expect(query(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('keeps its password in a file that only the owner can read', async () => {
    const { password } = new URL((await start()).url);

    const { mode } = await stat(join(directory, 'connection.json'));
    const log = await readFile(join(directory, 'server.log'), 'utf8');

    expect(mode & 0o777).toBe(0o600);
    expect(log).not.toContain(password);
  });

  it('keeps its data and its port across a restart', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS number');
    await first.stop();

    const second = await start();

    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'TABLE kept')).toEqual([[7]]);
  });

  it('uses another port if another program uses its previous port', async () => {
    const first = await start();
    await first.stop();
    const other = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(other, 'listening');

    const second = await start();
    other.close();

    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect(await query(second.url, 'SELECT 1')).toEqual([[1]]);
  });

  it('restarts after its server was killed', async () => {
    await start();
    process.kill(await readServerPid(), 'SIGKILL');

    const { url } = await start();

    expect(await query(url, 'SELECT 1')).toEqual([[1]]);
  });

  it('refuses to share a cluster that is in use', async () => {
    const { url } = await start();

    await expect(start()).rejects.toThrow(/in use by another npm start/);
    expect(await query(url, 'SELECT 1')).toEqual([[1]]);
  });

  it('replaces the server that a killed process left running', async () => {
    const module = new URL('../../scripts/embedded-postgres.ts', import.meta.url).href;
    const script = `
      const { EmbeddedPostgres } = await import(${JSON.stringify(module)});
      await EmbeddedPostgres.start(${JSON.stringify({ directory, durable: false })});
      console.log('started');`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(owner.stdout, 'data');
    const abandoned = await readServerPid();
    owner.kill('SIGKILL');
    await once(owner, 'exit');

    await start();

    expect(await readServerPid()).not.toBe(abandoned);
  });

  it('refuses data of another major version', async () => {
    const version = join(directory, 'data', 'PG_VERSION');
    await writeFile(version, '17\n');
    try {
      await expect(start()).rejects.toThrow(
        /initialized by PostgreSQL version 17(.|\n)*move .* away/,
      );
    } finally {
      await writeFile(version, '18\n');
    }
  });

  it('reports the end of the server log if the server does not start', async () => {
    const settings = join(directory, 'data', 'postgresql.auto.conf');
    const text = await readFile(settings, 'utf8');
    await writeFile(settings, `${text}no_such_setting = on\n`);
    try {
      await expect(start()).rejects.toThrow(/did not start(.|\n)*no_such_setting/);
    } finally {
      await writeFile(settings, text);
    }
  });
});
