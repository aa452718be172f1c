import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { findFreePort, findListenError } from '../free-port.js';
import { createFolder, isRoot, type PostgresInstallation, runProgram } from './installation.js';

/** Where the server listens; the file beside the data is readable by its owner only. */
const connectionSchema = z.object({ port: z.int(), password: z.string() });
export type Connection = z.infer<typeof connectionSchema>;

export const dataFolder = (directory: string) => join(directory, 'data');
export const logFile = (directory: string) => join(directory, 'server.log');
const connectionFile = (directory: string) => join(directory, 'connection.json');

/** Creates an empty cluster with a random password in `directory`. */
export async function createCluster(
  directory: string,
  installation: PostgresInstallation,
): Promise<void> {
  // As root, the folder stays root's, and the server's account may only pass through it.
  await createFolder(directory, isRoot ? 0o711 : 0o700, async (folder) => {
    const password = randomBytes(24).toString('hex');
    await writeConnection(folder, { port: await findFreePort(), password });
    const data = dataFolder(folder);
    const passwordFile = join(folder, 'password');
    await mkdir(data, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    const { uid, gid } = installation.spawnOptions;
    for (const path of [data, passwordFile]) {
      if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
    }
    // The builtin C.UTF-8 covers all of Unicode and is the same on every machine.
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const access = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
    const options = [`--pgdata=${data}`, '--encoding=UTF8', ...locale, ...access];
    await runProgram(installation, 'initdb', options);
    await rm(passwordFile);
  });
}

/** @throws Error if the installed major version can't open the data */
export async function checkMajorVersion(directory: string, majorVersion: string): Promise<void> {
  const found = (await readFile(join(dataFolder(directory), 'PG_VERSION'), 'utf8')).trim();
  if (found === majorVersion) return;
  throw new Error(
    `${directory} was made by PostgreSQL ${found}, but ${majorVersion} is installed now: move that folder away to begin with an empty database.`,
  );
}

/** `undefined` if `directory` has no cluster. */
export function readConnection(directory: string): Connection | undefined {
  const file = connectionFile(directory);
  if (!existsSync(file)) return undefined;
  return connectionSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** Keeps the port of the last start, or chooses another if it is taken. */
export async function renewConnection(directory: string): Promise<Connection> {
  const connection = readConnection(directory);
  if (connection === undefined) {
    throw new Error(`${directory} is not a database that npm start made: move it away.`);
  }
  if ((await findListenError(connection.port)) === undefined) return connection;
  const renewed = { ...connection, port: await findFreePort() };
  await writeConnection(directory, renewed);
  return renewed;
}

async function writeConnection(directory: string, connection: Connection): Promise<void> {
  const unfinished = `${connectionFile(directory)}.${process.pid}`;
  await writeFile(unfinished, JSON.stringify(connection), { mode: 0o600 });
  await rename(unfinished, connectionFile(directory));
}
