import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort } from '../../scripts/free-port.js';

const GO_SOURCE = fileURLToPath(new URL('reverse-proxy/main.go', import.meta.url));
const START_ATTEMPTS = 500;

/** A proxy that adds the client's address to `X-Forwarded-For` and forwards each request. */
export class ReverseProxy {
  constructor(
    readonly port: number,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
    rmSync(this.folder, { recursive: true });
  }
}

/** Starts HAProxy, which forwards up to 4,000 header fields. */
export async function startHaproxy(target: URL): Promise<ReverseProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-haproxy-'));
  const port = await findFreePort();
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  tune.http.maxhdr 4000
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 10s
  timeout server 10s
listen latchkey
  bind 127.0.0.1:${port}
  server target ${target.host}
`,
  );
  const child = spawn('haproxy', ['-f', file, '-q'], { stdio: 'ignore' });
  await untilListening(port);
  return new ReverseProxy(port, child, folder);
}

/** Builds and starts a proxy with `httputil.ReverseProxy` of Go's standard library. */
export async function startGoProxy(target: URL): Promise<ReverseProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-go-'));
  const program = join(folder, 'reverse-proxy');
  const env = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local' };
  await promisify(execFile)('go', ['build', '-o', program, GO_SOURCE], { cwd: folder, env });
  const child = spawn(program, [target.origin], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [address] = await once(child.stdout, 'data');
  return new ReverseProxy(Number(String(address).split(':')[1]), child, folder);
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').catch(() => undefined);
    socket.destroy();
    if (connected !== undefined) return;
    await sleep(20);
  }
  throw new Error('HAProxy does not listen');
}
