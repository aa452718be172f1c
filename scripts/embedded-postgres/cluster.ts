import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { findFreePort } from '../free-port.js';
import { createFolder, isRoot, type PostgresInstallation, runProgram } from './installation.js';

const connectionSchema = z.object({ port: z.int(), password: z.string() });
export type Cluster = Awaited<ReturnType<typeof openCluster>>;

const pathsIn = (directory: string) => ({
  data: join(directory, 'data'),
  log: join(directory, 'server.log'),
  connection: join(directory, 'connection.json'),
});

/** Returns the paths, port and password of a cluster, and creates it if it is missing. */
export async function openCluster(directory: string, installation: PostgresInstallation) {
  const { connection, ...paths } = pathsIn(directory);
  if (!existsSync(connection)) await createCluster(directory, installation);
  if (!existsSync(connection)) {
    throw new Error(
      `The folder ${directory} contains no database of npm start: rename or delete the folder.`,
    );
  }
  const json: unknown = JSON.parse(await readFile(connection, 'utf8'));
  return { directory, ...paths, ...connectionSchema.parse(json) };
}

async function createCluster(directory: string, installation: PostgresInstallation): Promise<void> {
  // If this process is root, root owns the folder. PostgreSQL's account may then enter the folder,
  // but not list its files.
  await createFolder(directory, isRoot ? 0o711 : 0o700, async (folder) => {
    const { data, connection } = pathsIn(folder);
    const password = randomBytes(24).toString('hex');
    const json = JSON.stringify({ port: await findFreePort(), password });
    await writeFile(connection, json, { mode: 0o600 });
    const passwordFile = join(folder, 'password');
    await mkdir(data, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    const { uid, gid } = installation.spawnOptions;
    for (const path of [data, passwordFile]) {
      if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
    }
    // The builtin locale C.UTF-8 covers all of Unicode and sorts the same on every machine.
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const access = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
    const options = [`--pgdata=${data}`, '--encoding=UTF8', ...locale, ...access];
    await runProgram(installation, 'initdb', options);
    await rm(passwordFile);
  });
}
