import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, DatabaseError } from 'pg';
import { endProcess, hasEnded } from './child-process.js';
import { findFreePort, findListenError } from './free-port.js';
import { type Cluster, openCluster } from './embedded-postgres/cluster.js';
import {
  findInstallation,
  isRoot,
  type PostgresInstallation,
  ROOT_HOME,
  runProgram,
} from './embedded-postgres/installation.js';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const CANNOT_CONNECT_NOW = '57P03';
const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
// The process that started a server holds this advisory lock. Unlike a lock file, it is released
// even if the process is killed with SIGKILL.
const OWNER_LOCK = 7_205_012;

/** A PostgreSQL server on 127.0.0.1, as a child process. Its programs come from an npm package. */
export class EmbeddedPostgres {
  private constructor(
    private readonly cluster: Cluster,
    private readonly server: ChildProcess,
    private readonly owner: Client,
  ) {}

  /**
   * Starts the server of a cluster, and creates the cluster if it is missing.
   * @param directory the cluster's folder. If this process is root, PostgreSQL runs under another
   * account, which must be able to enter the parent folders.
   * @param durable `false` is for tests: faster, but a crash of the machine may destroy the data
   * @throws Error with a sentence that says why the server did not start
   */
  static async start({ directory = clusterDirectory(), durable = true } = {}) {
    const installation = await findInstallation();
    const cluster = await openCluster(directory, installation);
    await stopAbandonedServer(cluster, installation);
    if ((await findListenError(cluster.port)) !== undefined) cluster.port = await findFreePort();
    const server = await spawnServer(cluster, installation, durable);
    try {
      const owner = await connectWhenReady(cluster, server);
      await takeOwnership(owner, cluster);
      const { rowCount } = await owner.query(`SELECT FROM pg_database WHERE datname = 'latchkey'`);
      if (rowCount === 0) await owner.query('CREATE DATABASE latchkey');
      return new EmbeddedPostgres(cluster, server, owner);
    } catch (error) {
      await stopServer(server);
      throw error;
    }
  }

  /** The URL of the database `latchkey`. */
  get url(): string {
    return databaseUrl(this.cluster, 'latchkey');
  }

  /** The URL of the database `postgres`, for creating and dropping other databases. */
  get serverUrl(): string {
    return databaseUrl(this.cluster, 'postgres');
  }

  /** Closes all connections and stops the server. Resolves when the server has ended. */
  async stop(): Promise<void> {
    await this.owner.end();
    await stopServer(this.server);
  }
}

/** Returns the folder of a checkout's cluster. */
export function clusterDirectory(checkout = CHECKOUT): string {
  const path = realpathSync(checkout);
  if (!isRoot) return join(path, '.data', 'postgres');
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return join(ROOT_HOME, `${basename(path)}-${hash}`);
}

/** Returns a new path for the cluster of a test run, without creating it. */
export function temporaryClusterDirectory(): string {
  return join(isRoot ? ROOT_HOME : tmpdir(), `latchkey-temporary-${randomUUID()}`);
}

function databaseUrl({ port, password }: Cluster, database: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`;
}

/** Stops a server whose `npm start` was killed. @throws Error if another process uses the server */
async function stopAbandonedServer(
  cluster: Cluster,
  installation: PostgresInstallation,
): Promise<void> {
  const pidFile = join(cluster.data, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const [, , , port] = (await readFile(pidFile, 'utf8')).split('\n');
  const client = await connect({ ...cluster, port: Number(port) }).catch(() => undefined);
  if (client === undefined) return;
  try {
    await takeOwnership(client, cluster);
  } finally {
    await client.end();
  }
  await runProgram(installation, 'pg_ctl', ['stop', `--pgdata=${cluster.data}`]);
}

async function takeOwnership(client: Client, { directory }: Cluster): Promise<void> {
  const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS taken', [OWNER_LOCK]);
  if (rows[0]?.taken !== true) {
    throw new Error(
      `The database in ${directory} is in use by another npm start: stop the other npm start first.`,
    );
  }
}

async function spawnServer(
  { port, data, log: logFile }: Cluster,
  { programs, spawnOptions }: PostgresInstallation,
  durable: boolean,
): Promise<ChildProcess> {
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const fast = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  const options = Object.entries(durable ? settings : { ...settings, ...fast });
  const args = options.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = await open(logFile, 'w', 0o600);
  try {
    // Detached, so that Ctrl-C in a terminal does not stop PostgreSQL before its clients.
    const server = spawn(join(programs, 'postgres'), ['-D', data, ...args], {
      ...spawnOptions,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(server, 'spawn');
    const stop = () => server.kill('SIGINT');
    process.once('exit', stop);
    server.once('exit', () => process.off('exit', stop));
    return server;
  } finally {
    await log.close();
  }
}

async function connectWhenReady(cluster: Cluster, server: ChildProcess): Promise<Client> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!hasEnded(server) && performance.now() < deadline) {
    try {
      return await connect(cluster);
    } catch (error) {
      if (error instanceof DatabaseError && error.code !== CANNOT_CONNECT_NOW) throw error;
      await sleep(20);
    }
  }
  const { directory, log } = cluster;
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-10);
  throw new Error(
    `PostgreSQL did not start. The last lines of ${log}:\n${lines.join('\n')}\n` +
      `If another version of PostgreSQL created the data, move ${directory} away to begin with an empty database.`,
  );
}

function stopServer(server: ChildProcess): Promise<void> {
  return endProcess(server, 'SIGINT', STOP_TIMEOUT_MS, 'SIGQUIT');
}

async function connect(cluster: Cluster): Promise<Client> {
  const client = new Client({
    connectionString: databaseUrl(cluster, 'postgres'),
    connectionTimeoutMillis: 2_000,
  });
  // A stopping server closes the connection. This is not an error.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
