import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { findFreePort } from '../free-port.js';
import { createFolder, isRoot, type PostgresInstallation, runProgram } from './installation.js';

const connectionSchema = z.object({ port: z.int(), password: z.string() });
export type Connection = z.infer<typeof connectionSchema>;

export const dataFolder = (directory: string) => join(directory, 'data');
export const logFile = (directory: string) => join(directory, 'server.log');
const connectionFile = (directory: string) => join(directory, 'connection.json');

/** The usual port and the password of a cluster, which is created if it is missing. */
export async function openCluster(
  directory: string,
  installation: PostgresInstallation,
): Promise<Connection> {
  const file = connectionFile(directory);
  if (!existsSync(file)) await createCluster(directory, installation);
  if (existsSync(file)) return connectionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  throw new Error(`${directory} is not a database that npm start made: move it away.`);
}

async function createCluster(directory: string, installation: PostgresInstallation): Promise<void> {
  // As root, the folder stays root's, and the server's account may only pass through it.
  await createFolder(directory, isRoot ? 0o711 : 0o700, async (folder) => {
    const password = randomBytes(24).toString('hex');
    const connection: Connection = { port: await findFreePort(), password };
    await writeFile(connectionFile(folder), JSON.stringify(connection), { mode: 0o600 });
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
