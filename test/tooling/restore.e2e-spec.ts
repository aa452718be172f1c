import { execFile, execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { findFreePort } from '../../scripts/free-port.js';

const VERSIONS = '/usr/lib/postgresql';
const [version] = existsSync(VERSIONS) ? readdirSync(VERSIONS).toReversed() : [];
const canRun = version !== undefined && process.getuid?.() === 0;
const ENVIRONMENT = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  CHECKPOINT_DISABLE: '1',
  ENV_FILES: 'off',
  INTERNAL_API_KEY: 'the-root-key-of-this-test',
};
const OWNER_LOGIN = 'latchkey_owner:owner-password';
const RUN_TIME_LOGIN = 'latchkey:the-password-of-the-backend';

/**
 * Starts a new PostgreSQL server. Resolves to a function that returns the URL of a database on
 * this server. The login is `user` or `user:password`.
 */
async function startServer(): Promise<(login: string, database: string) => string> {
  const data = mkdtempSync(join(tmpdir(), 'latchkey-restore-'));
  const id = (kind: string) => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }));
  const account = { uid: id('-u'), gid: id('-g') };
  chownSync(data, account.uid, account.gid);
  const run = (program: string, ...args: string[]) =>
    execFileSync(join(VERSIONS, version ?? '', 'bin', program), ['-D', data, ...args], {
      ...account,
      cwd: '/',
      stdio: 'ignore',
    });
  run('initdb', '-U', 'postgres', '--auth=trust', '--encoding=UTF8');
  const port = await findFreePort();
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`;
  run('pg_ctl', '-w', '-o', options, 'start');
  onTestFinished(() => {
    run('pg_ctl', '-m', 'immediate', 'stop');
    rmSync(data, { recursive: true });
  });
  return (login, database) => `postgresql://${login}@127.0.0.1:${port}/${database}`;
}

async function shell(script: string, variables: NodeJS.ProcessEnv): Promise<string> {
  const env = { ...ENVIRONMENT, ...variables };
  return (await promisify(execFile)('sh', ['-euc', script], { env })).stdout;
}

it.skipIf(!canRun)('the documented commands restore a dump on a new server', async () => {
  const text = readFileSync('docs/how-to/back-up.md', 'utf8');
  const blocks = [...text.matchAll(/```bash\n([^]*?)```/g)].map(([, block]) => block);
  const script = blocks.join('');
  const [, roles = ''] = /<<'SQL'\n([^]*?)^SQL$/m.exec(script) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-dump-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [oldServer, newServer] = [await startServer(), await startServer()];
  await shell(`psql -q "$ADMIN_URL" <<'SQL'\n${roles}SQL`, {
    ADMIN_URL: oldServer('postgres', 'postgres'),
  });
  await shell(
    'node deploy/database/migrate.mjs && node dist/cli.js keys create --name kept --scopes users:read --reveal',
    {
      DATABASE_URL: oldServer(OWNER_LOGIN, 'latchkey'),
      RUN_TIME_DATABASE_URL: oldServer(RUN_TIME_LOGIN, 'latchkey'),
    },
  );
  const restored = await shell(script.replaceAll('latchkey.dump', join(folder, 'dump')), {
    OWNER_URL: oldServer(OWNER_LOGIN, 'latchkey'),
    BACKEND_URL: oldServer(RUN_TIME_LOGIN, 'latchkey'),
    NEW_ADMIN_URL: newServer('postgres', 'postgres'),
    NEW_OWNER_URL: newServer(OWNER_LOGIN, 'latchkey'),
    NEW_BACKEND_URL: newServer(RUN_TIME_LOGIN, 'latchkey'),
  });
  // The script verifies the audit trail on both servers. Both trails must have the same head.
  const [oldHead, newHead] = restored.match(/^1 events, head .*$/gm) ?? [];
  expect(oldHead).toBeDefined();
  expect(newHead).toBe(oldHead);
  const keys = await shell('node dist/cli.js keys list', {
    DATABASE_URL: newServer(RUN_TIME_LOGIN, 'latchkey'),
  });
  expect(keys).toContain('kept');
});
