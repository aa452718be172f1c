import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client } from 'pg';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from 'vitest';
import { z } from 'zod';
import { clusterDirectory, EmbeddedPostgres } from '../../scripts/embedded-postgres.js';
import { MCP_SERVER_GRANT } from '../../scripts/start/mcp-server-key.js';
import {
  CLIENT_CONFIGURATION,
  copyCheckout,
  makeCheckout,
  removeCheckout,
  Start,
} from '../support/checkout.js';

const CURL_LINE = /^curl .*internal.*$/m;
const ME_LINE = /^curl .*auth\/me.*$/m;
const CALL_LINE = /^npm run -s call .*$/m;
const TOKEN_LINE = /^npm run -s token .*$/m;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;

const clientConfigurationSchema = z.object({
  mcpServers: z.object({
    latchkey: z.object({
      type: z.literal('http'),
      url: z.url(),
      headers: z.record(z.string(), z.string()),
    }),
  }),
});

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

/** Runs a line in a shell in the checkout, as if a user had pasted it. */
async function paste(
  line: string,
  checkout: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { PATH, HOME } = process.env;
  const { stdout } = await promisify(execFile)('sh', ['-c', line], {
    cwd: checkout,
    env: { PATH, HOME, ...variables },
  });
  return stdout;
}

/** Calls get_balance as an MCP client with this configuration, and returns the response. */
async function getBalance(clientConfiguration: string): Promise<string> {
  const { mcpServers } = clientConfigurationSchema.parse(JSON.parse(clientConfiguration));
  const { url, headers } = mcpServers.latchkey;
  const client = new McpClient({ name: 'latchkey-tests', version: '1' });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }),
  );
  const { content } = await client.callTool({ name: 'get_balance', arguments: {} });
  await client.close();
  return JSON.stringify(content);
}

interface RunningProcess {
  readonly id: number;
  readonly commandLine: string;
}

/** The running servers and databases of a checkout. */
async function processesOf(checkout: string): Promise<RunningProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,args=']);
  const lines = stdout.split('\n').filter((line) => line.includes(basename(checkout)));
  return lines.map((line) => {
    const [, id = '', commandLine = ''] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    return { id: Number(id), commandLine };
  });
}

function isMcpServer({ commandLine }: RunningProcess): boolean {
  return commandLine.endsWith(' mcp-server/dist/bundle/main.js');
}

function isBackend({ commandLine }: RunningProcess): boolean {
  return commandLine.endsWith(' dist/bundle/main.js');
}

/** Expects a start to fail, and returns its output. */
async function failure(checkout: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
  const start = new Start(checkout, variables);
  await start.exited;
  expect(start.exitCode).toBe(1);
  return start.output;
}

describe('npm start', () => {
  const started: Start[] = [];
  let checkout: string;

  function start(variables?: NodeJS.ProcessEnv): Promise<Start> {
    const next = new Start(checkout, variables);
    started.push(next);
    return next.ready();
  }

  function stopAll(): Promise<unknown> {
    return Promise.all(started.splice(0).map((one) => one.signal('SIGINT')));
  }

  /** The client configuration from the output, with a token. */
  async function clientConfigurationOf(running: Start): Promise<string> {
    const token = await paste(running.line(TOKEN_LINE), checkout);
    return running.line(CLIENT_CONFIGURATION).replace('<token>', token.trim());
  }

  async function databasePort(): Promise<number> {
    const file = join(clusterDirectory(checkout), 'connection.json');
    return JSON.parse(await readFile(file, 'utf8')).port;
  }

  async function portsOf({ port, mcpPort }: Start): Promise<number[]> {
    return [port, mcpPort, await databasePort()];
  }

  async function findProcess(matches: (one: RunningProcess) => boolean): Promise<number> {
    const found = (await processesOf(checkout)).find(matches);
    if (found === undefined) throw new Error('No running process of the checkout matches.');
    return found.id;
  }

  function readEnvironmentFile(): Promise<string> {
    return readFile(join(checkout, '.env'), 'utf8');
  }

  beforeAll(async () => {
    checkout = await makeCheckout();
    await (await start()).signal('SIGINT');
  }, 300_000);

  afterAll(() => removeCheckout(checkout));

  describe('while it runs', () => {
    let running: Start;

    beforeAll(async () => {
      running = await start();
    });

    afterAll(stopAll);

    it.each(['INTERNAL_API_KEY', 'JWT_SECRET'])('has written a strong %s to .env', async (name) => {
      expect(await readEnvironmentFile()).toMatch(new RegExp(`^${name}=[0-9a-f]{64}$`, 'm'));
    });

    it('has created an .env that only its owner can read', async () => {
      const { mode } = await stat(join(checkout, '.env'));

      expect(mode & 0o777).toBe(0o600);
    });

    it('prints no key and no token', () => {
      expect(running.output).not.toMatch(/[0-9a-f]{64}/);
      expect(running.output).not.toMatch(TOKEN);
      expect(running.output).not.toContain('lk_dev_');
    });

    it('has printed a command that reads a user from the backend', async () => {
      expect(JSON.parse(await paste(running.line(CURL_LINE), checkout))).toMatchObject({
        user: { id: '12345', name: 'John Doe' },
      });
    });

    it('has printed a command that calls a tool', async () => {
      expect(await paste(running.line(CALL_LINE), checkout)).toMatch(
        /^Hello John Doe! Your checking balance is [^\n]+\n$/,
      );
    });

    it('has printed a command that calls the backend as the user', async () => {
      expect(JSON.parse(await paste(running.line(ME_LINE), checkout))).toMatchObject({
        user: { id: '12345' },
      });
    });

    it.each(['curl', 'token', 'call'])(
      'has printed a command that works regardless of exported variables: %s',
      async (name) => {
        const exported = {
          INTERNAL_API_KEY: 'another-key',
          JWT_SECRET: 'another-secret-of-32-characters-'.repeat(2),
          MCP_PORT: '1',
          PORT: '1',
        };
        const line = { curl: CURL_LINE, token: ME_LINE, call: CALL_LINE }[name] ?? CURL_LINE;
        expect(await paste(running.line(line), checkout, exported)).toContain('John Doe');
      },
    );

    it('responds to the curl command in the README', async () => {
      const readme = await readFile('README.md', 'utf8');
      const line = (CURL_LINE.exec(readme)?.[0] ?? '').replace('3000', `${running.port}`);
      expect(await paste(line, checkout, { INTERNAL_API_KEY: 'another' })).toContain('John Doe');
    });

    it('issues a token for the running MCP server and for an MCP server on the default port', async () => {
      const token = (await paste(running.line(TOKEN_LINE), checkout)).trim();
      const [, payload = ''] = token.split('.');
      const { aud: audiences } = JSON.parse(Buffer.from(payload, 'base64url').toString());
      expect(audiences).toContain('http://localhost:3001/mcp');
      expect(audiences).toContain(`http://localhost:${running.mcpPort}/mcp`);
    });

    it('supports npm run token -- --help', async () => {
      expect(await paste('npm run -s token -- --help', checkout)).toMatch(/^Usage: npm run token/);
    });

    it('supports calls of a tool with an option value that begins with + or -', async () => {
      const line = `npm run -s call -- update_phone --phone`;
      expect(await paste(`${line} +12025550123`, checkout)).toMatch(/phone number/);
      const refused = paste(`${line} -1`, checkout);
      await expect(refused).rejects.toMatchObject({ stdout: expect.stringContaining('E.164') });
    });

    it('responds to a call of an unknown tool with the list of tools', async () => {
      await expect(paste('npm run -s call -- nope', checkout)).rejects.toMatchObject({
        stderr: expect.stringMatching(/There is no tool nope: use one of .*get_balance/),
      });
    });

    it('configures the database for commands in other terminals', async () => {
      const status = await paste('npx prisma migrate status', checkout);
      expect(status).toContain('Database schema is up to date!');
      const PORT = `${randomInt(30_000, 32_000)}`;
      const { PATH } = process.env;
      const backend = spawn(process.execPath, ['dist/bundle/main.js'], {
        cwd: checkout,
        env: { PATH, PORT, METRICS_PORT: '' },
      });
      onTestFinished(() => void backend.kill());
      const url = `http://127.0.0.1:${PORT}/api/health/ready`;
      await expect
        .poll(() =>
          fetch(url).then(
            (response) => response.status,
            () => 0,
          ),
        )
        .toBe(200);
    });

    it('has printed a configuration with which an MCP client connects after the token is inserted', async () => {
      expect(await getBalance(await clientConfigurationOf(running))).toContain('Hello John Doe!');
    });

    it('hides the URL of the database from the MCP server', async () => {
      const id = await findProcess(isMcpServer);
      const { stdout } = await promisify(execFile)('ps', ['eww', `${id}`]);
      const names = stdout.match(/\b[A-Z_]+(?==)/g);

      expect(names).toContain('BACKEND_API_URL');
      expect(names).not.toContain('DATABASE_URL');
    });

    it('provides the MCP server with its own issued key, not the root key', async () => {
      const id = await findProcess(isMcpServer);
      const { stdout } = await promisify(execFile)('ps', ['eww', `${id}`]);
      expect(stdout).toContain('INTERNAL_API_KEY_FILE=.data/mcp-server-key');
      expect(stdout).toContain('INTERNAL_API_KEY= ');
      const { mode } = await stat(join(checkout, '.data/mcp-server-key'));
      expect(mode & 0o777).toBe(0o600);
      const keys = await paste('npm run -s keys -- list --json', checkout);
      expect(JSON.parse(keys).apiKeys).toMatchObject([{ name: 'mcp-server', ...MCP_SERVER_GRANT }]);
    });

    it('refuses to mint a token in production', async () => {
      const minting = paste(running.line(TOKEN_LINE), checkout, { NODE_ENV: 'production' });

      await expect(minting).rejects.toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'NODE_ENV is production: get a token from the token issuer.\n',
      });
    });

    it('refuses to run a second time in one checkout', async () => {
      const second = new Start(checkout);
      await second.exited;

      expect(second.exitCode).toBe(1);
      expect(second.output).toMatch(/in use by another npm start/);
      expect(await listens(await databasePort())).toBe(true);
    });
  });

  describe('when it is stopped and started again', () => {
    afterEach(stopAll);

    it('stops both servers and the database on Ctrl-C', async () => {
      const running = await start();
      const ports = await portsOf(running);
      expect(await Promise.all(ports.map(listens))).toEqual([true, true, true]);
      expect(await processesOf(checkout)).not.toEqual([]);

      await running.signal('SIGINT');

      expect(running.exitCode).toBe(0);
      expect(await Promise.all(ports.map(listens))).toEqual([false, false, false]);
      expect(await processesOf(checkout)).toEqual([]);
    });

    it.each([
      { name: 'MCP server', matches: isMcpServer },
      { name: 'backend', matches: isBackend },
    ])('stops all other processes when the $name exits unexpectedly', async ({ name, matches }) => {
      const running = await start();
      process.kill(await findProcess(matches), 'SIGKILL');
      await running.exited;

      expect(running.exitCode).toBe(1);
      expect(running.output).toMatch(`✗ The ${name} ended unexpectedly (SIGKILL).\n`);
      expect(await processesOf(checkout)).toEqual([]);
    });

    it('serves users that were in the database before the start', async () => {
      const postgres = await EmbeddedPostgres.start({ directory: clusterDirectory(checkout) });
      const client = new Client({ connectionString: postgres.url });
      await client.connect();
      await client.query(
        `INSERT INTO users (id, email, name, roles, permissions, updated_at)
         VALUES ('kept', 'kept@example.com', 'Kept', '{}', '{}', now())`,
      );
      await client.end();
      await postgres.stop();

      const line = (await start()).line(CURL_LINE).replace('12345', 'kept');

      expect(JSON.parse(await paste(line, checkout))).toMatchObject({ user: { name: 'Kept' } });
    });

    it('starts again after it was killed', async () => {
      const killed = await start();
      await killed.signal('SIGKILL');
      const anyListens = async () =>
        (await Promise.all([killed.port, killed.mcpPort].map(listens))).includes(true);
      await expect.poll(anyListens, { timeout: 10_000 }).toBe(false);

      await start();

      expect(await listens(await databasePort())).toBe(true);
    });

    it('replaces the key of the MCP server if the key has more rights than the tools need', async () => {
      const postgres = await EmbeddedPostgres.start({ directory: clusterDirectory(checkout) });
      const client = new Client({ connectionString: postgres.url });
      await client.connect();
      await client.query(`UPDATE api_keys SET write_fields = '{}'`);
      await client.end();
      await postgres.stop();

      const running = await start();

      expect(running.output).toMatch(/^✓ Replace the MCP server’s key/m);
      const keys = await paste('npm run -s keys -- list --json', checkout);
      expect(JSON.parse(keys).apiKeys).toMatchObject([
        { status: 'revoked', writeFields: null },
        { status: 'active', ...MCP_SERVER_GRANT },
      ]);
      expect(await getBalance(await clientConfigurationOf(running))).toContain('Hello John Doe!');
    });

    it('adds a JWT_SECRET to an .env without one', async () => {
      const before = (await readEnvironmentFile()).replace(/^JWT_SECRET=.*\n/m, '');
      await writeFile(join(checkout, '.env'), before);

      const { output } = await start();

      const after = await readEnvironmentFile();
      expect(output).toMatch(/^✓ Add JWT_SECRET to \.env/m);
      expect(after.replace(/^JWT_SECRET=[0-9a-f]{64}\n/m, '')).toBe(before);
      expect((await stat(join(checkout, '.env'))).mode & 0o777).toBe(0o600);
    });

    it('prints a complete client configuration, with the token, on a terminal', async () => {
      const NODE_OPTIONS = '--import=data:text/javascript,process.stdout.isTTY=true';
      const running = await start({ NODE_OPTIONS });

      const balance = await getBalance(running.line(CLIENT_CONFIGURATION));

      expect(balance).toContain('Hello John Doe!');
    });
  });

  describe('when it cannot serve', () => {
    const failToStart = (variables: NodeJS.ProcessEnv) => failure(checkout, variables);

    it('names an invalid variable of the MCP server', async () => {
      expect(await failToStart({ MCP_RATE_LIMIT: 'many' })).toBe(
        '✗ The configuration is not valid:\n  MCP_RATE_LIMIT: must be a whole number\n',
      );
    });

    it('names an invalid variable in .env.local', async () => {
      const path = join(checkout, '.env.local');
      await writeFile(path, 'MCP_RATE_LIMIT=several\n');
      onTestFinished(() => rm(path));
      expect(await failToStart({})).toMatch(/MCP_RATE_LIMIT: must be a whole number/);
    });

    it('names a missing variable', async () => {
      expect(await failToStart({ INTERNAL_API_KEY: '' })).toMatch(/INTERNAL_API_KEY: is required/);
    });

    it('names an unreachable database, without its password', async () => {
      const DATABASE_URL = 'postgresql://someone:hidden-word@127.0.0.1:1/latchkey';

      expect(await failToStart({ DATABASE_URL })).toBe(
        "✗ The database at 127.0.0.1:1/latchkey can't be reached (ECONNREFUSED): check DATABASE_URL.\n",
      );
    });
  });
});

describe('npm start without its dependencies', () => {
  const MISSING_DEPENDENCIES =
    /^✗ Dependencies are missing or outdated: run npm ci, then npm start again\.$/m;

  it('in a fresh clone, names the command that installs them, without a stack trace', async () => {
    const checkout = await mkdtemp(join(tmpdir(), 'latchkey-clone-'));
    onTestFinished(() => rm(checkout, { recursive: true }));
    await copyCheckout(checkout);
    const output = await failure(checkout);
    expect(output).toMatch(MISSING_DEPENDENCIES);
    expect(output).not.toContain('    at ');
  });

  it('after an update, names the command that installs them, before it builds or migrates', async () => {
    const checkout = await makeCheckout();
    onTestFinished(() => removeCheckout(checkout));
    const path = join(checkout, 'package-lock.json');
    const lock = await readFile(path, 'utf8');
    await writeFile(
      path,
      lock.replace(/("node_modules\/zod": \{\s+"version": ")[^"]+/, '$199.0.0'),
    );
    expect(await failure(checkout)).toMatch(MISSING_DEPENDENCIES);
    await expect(stat(join(checkout, '.env'))).rejects.toThrow('ENOENT');
    await expect(stat(join(checkout, 'dist'))).rejects.toThrow('ENOENT');
  });
});

describe('npm start in a fresh checkout, before it builds', () => {
  let checkout: string;

  beforeEach(async () => {
    checkout = await makeCheckout();
  });

  afterEach(() => removeCheckout(checkout));

  const failToStart = (variables?: NodeJS.ProcessEnv) => failure(checkout, variables);

  it.each(['PORT', 'MCP_PORT'])('names a port that is in use: %s', async (variable) => {
    const port = randomInt(30_000, 32_000);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');

    const output = await failToStart({ [variable]: `${port}` });
    other.close();

    expect(output).toBe(
      `✗ Port ${port} is taken: stop the other program or set ${variable} in .env.\n`,
    );
  });

  it('names an invalid line of .env without quoting it', async () => {
    await writeFile(join(checkout, '.env'), 'INTERNAL_API_KEY=abc\nsecret words\n');

    expect(await failToStart()).toBe('✗ Line 2 of .env is not NAME=value: correct it.\n');
  });

  it('requires DATABASE_URL in production', async () => {
    expect(await failToStart({ NODE_ENV: 'production' })).toBe(
      '✗ npm start provides no database in production: set DATABASE_URL.\n',
    );
  });
});
