import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestClient, connect } from '../../mcp-server/test/support/clients.js';
import { startMcp } from '../../mcp-server/test/support/servers.js';
import { token } from '../../mcp-server/test/support/tokens.js';
import { ready } from '../chaos/support/backend.js';
import { sendRequest } from '../chaos/support/callers.js';
import { API_KEY } from '../support/app.js';
import { createTestDatabase } from '../support/database.js';
import { Load } from '../support/load.js';
import { MemoryGroup } from '../support/memory-group.js';
import { BACKEND_MAIN, ServerProcess } from '../support/server-process.js';

const LAUNCHER = fileURLToPath(new URL('../support/unprivileged.sh', import.meta.url));
const LIMIT_BYTES = 256 * 1024 ** 2;
const REQUESTS = 10_000;
const CALLS = 1000;
const CALLERS = 32;
const WRITE = ['sh', '-c', 'echo > "$1/latchkey-written" && rm "$1/latchkey-written"', 'sh'];

function runUnprivileged(...command: string[]): SpawnSyncReturns<string> {
  return spawnSync(LAUNCHER, ['', ...command], { encoding: 'utf8' });
}

/** The reason why this machine cannot run the test, or an empty text. */
function findObstacle(): string {
  if (process.platform !== 'linux') return 'only Linux has mount namespaces';
  if (process.getuid?.() !== 0)
    return 'only root can create a mount namespace and switch to another user';
  const { status, stderr, error } = runUnprivileged(process.execPath, '--version');
  return status === 0 ? '' : `the user "nobody" cannot run Node: ${error?.message ?? stderr}`;
}

const obstacle = findObstacle();
if (obstacle !== '') console.log(`skipped: ${obstacle}`);

describe.skipIf(obstacle !== '')('without privileges,', () => {
  const groups: MemoryGroup[] = [];
  const cleanups: (() => unknown)[] = [];
  let backend: ServerProcess;
  let mcp: ServerProcess;
  let client: TestClient;

  /**
   * The command that launches a server without privileges. Like a container, the server has its own
   * control group, if this machine permits that.
   */
  function launcher(name: string): string[] {
    const group = MemoryGroup.create(`latchkey-test-${name}-${process.pid}`, LIMIT_BYTES);
    if (group !== undefined) {
      groups.push(group);
      cleanups.push(() => group.remove());
    }
    return [LAUNCHER, group?.folder ?? ''];
  }

  beforeAll(async () => {
    const database = await createTestDatabase();
    cleanups.push(() => database.drop());
    backend = await ServerProcess.start(
      BACKEND_MAIN,
      {
        NODE_ENV: 'production',
        LOG_LEVEL: 'info',
        PORT: '0',
        DRAIN_SECONDS: '0',
        DATABASE_URL: database.runTimeUrl,
        INTERNAL_API_KEY: API_KEY,
      },
      launcher('backend'),
    );
    cleanups.push(() => backend.stop());
    mcp = await startMcp({ BACKEND_API_URL: backend.origin }, launcher('mcp-server'));
    cleanups.push(() => mcp.stop());
    await ready(backend);
    const body = { id: '12345', email: 'ada@example.com', name: 'Ada', permissions: ['read'] };
    await sendRequest(backend.origin, { method: 'POST', path: '/api/internal/users', body });
    client = await connect(mcp.url, await token('12345'));
    cleanups.push(() => client.close());
  });
  // Runs even after a failed start.
  afterAll(async () => {
    for (const cleanUp of cleanups.toReversed()) await cleanUp();
  });

  const servers: [name: string, find: () => ServerProcess][] = [
    ['the backend', () => backend],
    ['the MCP server', () => mcp],
  ];

  it.each(servers)('%s runs as nobody, and cannot gain capabilities', (_name, find) => {
    const status = readFileSync(`/proc/${find().pid}/status`, 'utf8');
    const valueOf = (field: string) =>
      new RegExp(`^${field}:[ \\t]*(.*?) *$`, 'm').exec(status)?.[1];
    expect(valueOf('Uid')).toBe('65534\t65534\t65534\t65534');
    expect(valueOf('Gid')).toBe('65534\t65534\t65534\t65534');
    expect(valueOf('Groups')).toBe('');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(valueOf(set)).toBe('0000000000000000');
    }
    expect(valueOf('NoNewPrivs')).toBe('1');
  });

  it.each(servers)('%s sees only read-only mounts', (_name, find) => {
    const lines = readFileSync(`/proc/${find().pid}/mountinfo`, 'utf8').trimEnd().split('\n');
    // If several mounts have the same path, only the last mount is reachable.
    const options = new Map(
      lines.map((line) => [line.split(' ')[4], line.split(' ')[5]?.split(',')[0]]),
    );
    expect(options.get('/')).toBe('ro');
    expect([...options].filter(([, access]) => access !== 'ro')).toEqual([]);
  });

  it.each(['/tmp', '/var/tmp', '/dev/shm'])('a process cannot write to %s', (folder) => {
    expect(runUnprivileged(...WRITE, folder).stderr).toMatch(/Read-only file system/);
    // The control: a process with privileges can write.
    const [program = '', ...args] = WRITE;
    expect(spawnSync(program, [...args, folder]).status).toBe(0);
  });

  it('the backend serves every request under load within 256 MB', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
    const statuses = new Map<number, number>();
    const load = new Load(async () => {
      const { status } = await sendRequest(
        backend.origin,
        { path: '/api/internal/users/12345' },
        agent,
      );
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }, REQUESTS);
    await load.run(CALLERS);
    agent.destroy();
    expect([...statuses]).toEqual([[200, REQUESTS]]);
    expectWithinLimit(backend);
  });

  it('the MCP server serves every call under load within 256 MB', async () => {
    const load = new Load(async () => {
      const { isError } = await client.callTool('get_balance');
      if (isError === true) throw new Error('The tool failed.');
    }, CALLS);
    await load.run(CALLERS);
    expect(load.failures).toEqual([]);
    expectWithinLimit(mcp);
  });

  function expectWithinLimit(server: ServerProcess): void {
    const { peak } = server.residentMegabytes();
    console.log(`peak: ${peak.toFixed(0)} MB; limited by a control group: ${groups.length === 2}`);
    expect(peak).toBeLessThan(256);
  }
});
