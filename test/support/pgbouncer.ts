import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../scripts/free-port.js';
import { hasProgram } from './programs.js';

/** Whether Debian's pgbouncer is on the PATH. Tests that need it are skipped without it. */
export const HAS_PGBOUNCER = hasProgram('pgbouncer');

const NOBODY = 65_534;
const IGNORED_PARAMETERS =
  'extra_float_digits,options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout';

/** PgBouncer in front of a database, on a free port. */
export class PgBouncer {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(
    databaseUrl: string,
    mode: 'session' | 'transaction' = 'transaction',
  ): Promise<PgBouncer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'pgbouncer-'));
    const port = await findFreePort();
    const file = path.join(folder, 'pgbouncer.ini');
    await writeFile(file, settings(new URL(databaseUrl), port, mode));
    // PgBouncer refuses to run as root.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(folder, NOBODY, NOBODY);
    const account = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    const child = spawn('pgbouncer', [file], { stdio: 'ignore', cwd: folder, ...account });
    for (let isUp = false; !isUp && child.exitCode === null;) isUp = await isListening(port);
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${port}`;
    return new PgBouncer(url.href, child, folder);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await once(this.child, 'exit');
    await rm(this.folder, { recursive: true });
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isUp = await once(socket, 'connect').then(
    () => true,
    () => sleep(20, false),
  );
  socket.destroy();
  return isUp;
}

function settings(server: URL, port: number, mode: string): string {
  const [user, password] = [server.username, server.password].map(decodeURIComponent);
  return `[databases]
* = host=${server.hostname} port=${server.port || 5432} user=${user} password='${password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = 10
ignore_startup_parameters = ${IGNORED_PARAMETERS}
`;
}
