import { isDeepStrictEqual } from 'node:util';
import { type Database, expectedUser } from './database.js';
import { findFreePort } from '../scripts/free-port.js';
import type { RequestTemplate } from './load/load.js';
import { type Peer, variablesOf } from './peers.js';
import { PinnedProcess } from './pinned-process.js';

const PATH = '/api/internal/users';
const CHECKED_IDS = 20;

/** A running peer with a database. `start` verifies the peer's responses. */
export class PeerServer {
  private constructor(
    readonly peer: Peer,
    readonly origin: string,
    /** Milliseconds from the start of the process to the first correct response. */
    readonly readyAfterMs: number,
    private readonly process: PinnedProcess,
    private readonly database: Database,
    private readonly key: string,
  ) {}

  static async start(
    peer: Peer,
    database: Database,
    key: string,
    signal: AbortSignal,
  ): Promise<PeerServer> {
    const port = await findFreePort();
    const origin = `http://127.0.0.1:${port}`;
    const process = await PinnedProcess.start({
      folder: peer.folder,
      args: peer.args(port),
      variables: variablesOf(peer, database, port),
    });
    try {
      const url = `${origin}${PATH}/1`;
      const readyAfterMs = await process.ready(async () => (await fetchText(url, key)).ok, signal);
      const server = new PeerServer(peer, origin, readyAfterMs, process, database, key);
      if (!peer.isConstant) await server.checkResponses(peer.name);
      return server;
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  /** A request for random users of the database. */
  get request(): RequestTemplate {
    const values = Array.from({ length: this.database.users }, (_, index) => String(index + 1));
    return { method: 'GET', path: `${PATH}/{value}`, headers: { 'X-API-Key': this.key }, values };
  }

  cpuMicroseconds(): Promise<number> {
    return this.process.cpuMicroseconds();
  }

  residentMegabytes(): Promise<number> {
    return this.process.residentMegabytes();
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  private async checkResponses(name: string): Promise<void> {
    for (let count = 0; count < CHECKED_IDS; count += 1) {
      const id = String(1 + Math.floor(Math.random() * this.database.users));
      const expected = await expectedUser(this.database.url, id);
      await this.check(name, id, this.key, 200, expected);
    }
    await this.check(name, '1', undefined, 401);
    await this.check(name, '1', `${this.key}x`, 401);
    await this.check(name, 'nobody', this.key, 404);
  }

  private async check(
    name: string,
    id: string,
    key: string | undefined,
    status: number,
    user?: object,
  ): Promise<void> {
    const response = await fetchText(`${this.origin}${PATH}/${id}`, key);
    if (response.status !== status || (user !== undefined && !hasUser(response.body, user))) {
      throw new Error(
        `${name} responds with ${response.status} ${response.body} for ${id}, not with ${status} ${JSON.stringify(user ?? {})}.`,
      );
    }
  }
}

/** Whether a response contains a user with at least these fields. */
function hasUser(body: string, expected: object): boolean {
  const { user }: { user: object } = JSON.parse(body);
  return isDeepStrictEqual({ ...user, ...expected }, user);
}

async function fetchText(
  url: string,
  key = '',
): Promise<{ ok: boolean; status: number; body: string }> {
  try {
    const response = await fetch(url, {
      headers: { ...(key !== '' && { 'X-API-Key': key }), connection: 'close' },
      signal: AbortSignal.timeout(5000),
    });
    return { ok: response.ok, status: response.status, body: await response.text() };
  } catch {
    return { ok: false, status: 0, body: 'no response' };
  }
}
