import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isRoot, type PostgresInstallation } from './installation.js';
import { createWholeFolder } from './whole-folder.js';

/** How to reach the server of a cluster: kept beside its data, for its owner's eyes only. */
const connectionSchema = z.object({ port: z.int(), password: z.string() });
export type Connection = z.infer<typeof connectionSchema>;

export const dataFolder = (directory: string) => join(directory, 'data');
export const logFile = (directory: string) => join(directory, 'server.log');
const connectionFile = (directory: string) => join(directory, 'connection.json');

/** Makes an empty cluster with a random password in `directory`. */
export async function initialiseCluster(
  directory: string,
  installation: PostgresInstallation,
): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  // As root, the folder stays root's, and the server's account may only pass through it.
  await createWholeFolder(directory, isRoot ? 0o711 : 0o700, async (folder) => {
    const connection = { port: await findFreePort(), password: randomBytes(24).toString('hex') };
    await writeConnection(folder, connection);
    await runInitdb(folder, installation, connection.password);
  });
}

async function runInitdb(
  folder: string,
  { run, spawnOptions: { uid, gid } }: PostgresInstallation,
  password: string,
): Promise<void> {
  const data = dataFolder(folder);
  const passwordFile = join(folder, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) {
    await chown(data, uid, gid);
    await chown(passwordFile, uid, gid);
  }
  // The builtin C.UTF-8 knows all of Unicode and is the same on every machine.
  await run('initdb', [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ]);
  await rm(passwordFile);
}

/** Refuses data that the installed major version can't open. */
export async function checkMajorVersion(directory: string, majorVersion: string): Promise<void> {
  const found = (await readFile(join(dataFolder(directory), 'PG_VERSION'), 'utf8')).trim();
  if (found === majorVersion) return;
  throw new Error(
    `${directory} was made by PostgreSQL ${found}, but ${majorVersion} is installed now: move that folder away to begin with an empty database.`,
  );
}

/** `undefined` if there is no cluster in `directory`. */
export function readConnection(directory: string): Connection | undefined {
  const file = connectionFile(directory);
  if (!existsSync(file)) return undefined;
  return connectionSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

async function writeConnection(directory: string, connection: Connection): Promise<void> {
  const unfinished = `${connectionFile(directory)}.${process.pid}`;
  await writeFile(unfinished, JSON.stringify(connection), { mode: 0o600 });
  await rename(unfinished, connectionFile(directory));
}

/** The connection to use from now on: with the port of the last time, or a new one if it is taken. */
export async function renewConnection(directory: string): Promise<Connection> {
  const connection = readConnection(directory);
  if (connection === undefined) {
    throw new Error(`${directory} is not a database that npm start made: move it away.`);
  }
  if (await isFree(connection.port)) return connection;
  const renewed = { ...connection, port: await findFreePort() };
  await writeConnection(directory, renewed);
  return renewed;
}

/** Below the ports that systems hand out for outgoing connections, so that none of them takes it. */
async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
