import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findFreePort } from '../../scripts/free-port.js';

/** Whether Debian's redis-server is on the PATH. Tests that need it are skipped without it. */
export const HAS_REDIS = spawnSync('redis-server', ['--version']).error === undefined;

/** A real Redis on a free port, without persistence. */
export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(private readonly port: number) {}

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await findFreePort());
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server. After `kill`, starts it on the same port again. */
  async start(): Promise<void> {
    const settings = { port: String(this.port), bind: '127.0.0.1', save: '', appendonly: 'no' };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    this.child = spawn('redis-server', args, { stdio: 'ignore', cwd: '/tmp' });
    await this.waitUntilReady();
  }

  async kill(): Promise<void> {
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null)
      return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  /** Suspends the server: it keeps its connections and does not respond. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Makes writes fail until `acceptWrites`. */
  async refuseWrites(): Promise<void> {
    await this.run((client) => client.config('SET', 'maxmemory', '1'));
  }

  async acceptWrites(): Promise<void> {
    await this.run((client) => client.config('SET', 'maxmemory', '0'));
  }

  /** The number of connections since the start. */
  async connectionsSoFar(): Promise<number> {
    const info = await this.run((client) => client.info('stats'));
    return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
  }

  /** The names of all keys. */
  async keys(): Promise<string[]> {
    return this.run((client) => client.keys('*'));
  }

  private async run<Result>(command: (client: Redis) => Promise<Result>): Promise<Result> {
    const client = new Redis(this.url);
    try {
      return await command(client);
    } finally {
      client.disconnect();
    }
  }

  private async waitUntilReady(): Promise<void> {
    const client = new Redis(this.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    await Promise.race([client.ping(), sleep(10_000)]);
    client.disconnect();
  }
}
