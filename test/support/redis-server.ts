import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findFreePort } from '../../scripts/free-port.js';

/** Whether Debian's redis-server is on the PATH; without it, what needs it is skipped. */
export const HAS_REDIS = spawnSync('redis-server', ['--version']).error === undefined;

/** A real Redis on a port of its own, that keeps nothing. */
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

  /** Also again, on the same port, after `kill`. */
  async start(): Promise<void> {
    const settings = { port: String(this.port), bind: '127.0.0.1', save: '', appendonly: 'no' };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    this.child = spawn('redis-server', args, { stdio: 'ignore', cwd: '/tmp' });
    await this.answers();
  }

  async kill(): Promise<void> {
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null)
      return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  /** It keeps its connections and answers nothing. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** From now on it answers writes with an error, until `takeWrites`. */
  async refuseWrites(): Promise<void> {
    await this.ask((client) => client.config('SET', 'maxmemory', '1'));
  }

  async takeWrites(): Promise<void> {
    await this.ask((client) => client.config('SET', 'maxmemory', '0'));
  }

  /** How many connections it has had. */
  async connectionsSoFar(): Promise<number> {
    const info = await this.ask((client) => client.info('stats'));
    return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
  }

  /** The names of everything that it holds. */
  async keys(): Promise<string[]> {
    return this.ask((client) => client.keys('*'));
  }

  private async ask<Answer>(question: (client: Redis) => Promise<Answer>): Promise<Answer> {
    const client = new Redis(this.url);
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }

  private async answers(): Promise<void> {
    const client = new Redis(this.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    await Promise.race([client.ping(), sleep(10_000)]);
    client.disconnect();
  }
}
