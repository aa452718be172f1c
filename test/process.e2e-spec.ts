import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { API_KEY } from './support/app.js';
import { BACKEND_MAIN, ServerProcess } from './support/server-process.js';
import { listenSilently } from './support/silent-server.js';

const run = promisify(execFile);

const DATABASE_URL = 'postgresql://app:pa55word@127.0.0.1:1/none';

async function refusal(variables: NodeJS.ProcessEnv): Promise<string> {
  const { code, output } = await ServerProcess.refusal(BACKEND_MAIN, variables);
  expect(code).toBe(1);
  return output;
}

function start(variables: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const defaults = { DATABASE_URL, INTERNAL_API_KEY: API_KEY, PORT: '0' };
  return ServerProcess.start(BACKEND_MAIN, { ...defaults, ...variables });
}

/** Sends a GET request over a connection of the agent. */
function fetchWith(
  url: string,
  agent: Agent,
): Promise<{ connection: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      const { connection } = response.headers;
      text(response).then((body) => resolve({ connection, body }), reject);
    });
    request.on('error', reject);
  });
}

async function waitForDraining(backend: ServerProcess): Promise<void> {
  await vi.waitUntil(async () => {
    const { body } = await fetchWith(`${backend.origin}/api/health/ready`, new Agent());
    return body.includes('draining');
  }, 10_000);
}

describe('a backend process', () => {
  it('exits with 1 and names INTERNAL_API_KEY if this variable is not set', async () => {
    const output = await refusal({ DATABASE_URL });
    expect(output).toBe(
      'The configuration is not valid:\n' +
        '  INTERNAL_API_KEY: is required; generate one with: openssl rand -hex 32\n',
    );
  });

  it('lists the configuration problems even if it only imports AppModule', async () => {
    const script = `import('${new URL('../dist/app.module.js', import.meta.url).href}')`;
    const options = { env: { PATH: process.env.PATH, DATABASE_URL } };
    await expect(run(process.execPath, ['--eval', script], options)).rejects.toThrow(
      'The configuration is not valid:\n  INTERNAL_API_KEY: is required',
    );
  });

  it('does not copy secrets from files to process.env', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-'));
    const file = join(folder, 'jwt-secret');
    await writeFile(file, 'canary-0b5e7f31c94d4a6f8e2d7c1a5b60');
    const appModule = new URL('../dist/app.module.js', import.meta.url).href;
    const script = `await import('${appModule}'); console.log(JSON.stringify(process.env))`;
    const variables = { DATABASE_URL, INTERNAL_API_KEY: API_KEY, JWT_SECRET_FILE: file };
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      env: { PATH: process.env.PATH, ...variables },
    });
    expect(stdout).toContain('JWT_SECRET_FILE');
    expect(stdout).not.toContain('canary');
    await rm(folder, { recursive: true });
  });

  it('lists all configuration problems together and quotes no value', async () => {
    const output = await refusal({ PORT: 'canary-port', DATABASE_URL: 'mysql://canary-database' });
    expect(output).toMatch(/PORT: .*\n/);
    expect(output).toMatch(/DATABASE_URL: .*\n/);
    expect(output).toMatch(/INTERNAL_API_KEY: .*\n/);
    expect(output).not.toContain('canary');
  });

  it('refuses the example key of the user guide in production', async () => {
    const output = await refusal({
      NODE_ENV: 'production',
      DATABASE_URL,
      INTERNAL_API_KEY: 'test-api-key-12345',
    });
    expect(output).toMatch(
      /INTERNAL_API_KEY: is shorter than 32 characters: refused in production/,
    );
    expect(output).not.toContain('test-api-key');
  });

  it('refuses to start in production without DATABASE_URL', async () => {
    const output = await refusal({ NODE_ENV: 'production', INTERNAL_API_KEY: API_KEY });
    expect(output).toContain('DATABASE_URL: is required');
  });

  it('explains in one sentence that the port is in use', async () => {
    const other = await listenSilently();
    const output = await refusal({
      DATABASE_URL,
      INTERNAL_API_KEY: API_KEY,
      PORT: String(other.port),
    });
    expect(output).toMatch(/^The port is taken: stop the other program, or set PORT\.$/m);
    other.close();
  });

  it.each(['192.0.2.1', '256.0.0.1'])(
    'explains in one sentence that HOST %s is invalid',
    async (HOST) => {
      const output = await refusal({ DATABASE_URL, INTERNAL_API_KEY: API_KEY, HOST });
      expect(output).toMatch(/^HOST is not an address of this machine\.$/m);
    },
  );

  it('starts without a database', async () => {
    const backend = await start();
    expect((await fetch(`${backend.origin}/api/health/live`)).status).toBe(200);
    expect((await fetch(`${backend.origin}/api/health/ready`)).status).toBe(503);
    await backend.stop();
  });
});

describe('SIGTERM', () => {
  it('lets an in-flight request complete while another client stays idle', async () => {
    const backend = await start();
    const port = Number(new URL(backend.origin).port);
    const silent = connect(port, '127.0.0.1');
    const body = JSON.stringify({ email: 'a@example.com', name: 'A' });
    const slow = connect(port, '127.0.0.1');
    let response = '';
    slow.on('data', (chunk) => (response += chunk.toString()));
    slow.write(
      `POST /api/internal/users HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const stopped = backend.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    slow.write(body.slice(5));
    await stopped;
    expect(response).toMatch(/^HTTP\/1\.1 503 .*connection: close.*DATABASE_UNAVAILABLE/is);
    silent.destroy();
    slow.destroy();
  });

  it('makes the process not ready and closes connections, but requests are still served', async () => {
    const backend = await start({ DRAIN_SECONDS: '60' });
    const agent = new Agent({ keepAlive: true });
    const live = `${backend.origin}/api/health/live`;
    expect((await fetchWith(live, agent)).connection).toBe('keep-alive');
    backend.signal('SIGTERM');
    await waitForDraining(backend);
    expect(await fetchWith(live, agent)).toEqual({ connection: 'close', body: '{"status":"up"}' });
    await backend.stop('SIGKILL');
  });

  it('ends the process with exit code 0 after the drain period even if clients stay connected', async () => {
    const backend = await start({ DRAIN_SECONDS: '1' });
    const agent = new Agent({ keepAlive: true });
    await fetchWith(`${backend.origin}/api/health/live`, agent);
    const silent = connect(Number(new URL(backend.origin).port), '127.0.0.1');
    await once(silent, 'connect');
    await backend.stop();
    expect(backend.exitCode).toBe(0);
    silent.destroy();
  });

  it('ends the process immediately if the signal is repeated', async () => {
    const backend = await start({ DRAIN_SECONDS: '300' });
    backend.signal('SIGTERM');
    await waitForDraining(backend);
    await backend.stop();
    expect(backend.exitCode).toBeNull();
  });
});
