import type { Database, DatabaseServer } from './database.js';
import type { Load, LoadGenerator, LoadResult, LoadTarget } from './load/load.js';
import type { Options } from './options.js';
import { PeerServer } from './peer-server.js';
import type { Peer } from './peers.js';
import { report } from './progress.js';

// A warm-up repeats a load of 2 s until it has sent this number of requests, but at most 6 times.
// On a busy machine, a warm-up with a fixed duration would be too short.
const WARM_UP_REQUESTS = 150_000;
const WARM_UP_SECONDS = 2;
const MAX_WARM_UP_LOADS = 6;

/** A peer and its database. */
export interface Subject {
  readonly peer: Peer;
  readonly database: Database;
}

export interface Turn<Result> {
  readonly name: string;
  readonly measure: () => Promise<Result>;
}

/** The context that all measurements share: options, databases, keys and the load generator. */
export class BenchRun {
  private readonly databases = new Map<string, Database>();
  private readonly keys = new Map<string, string>();

  private errorCount = 0;

  constructor(
    readonly options: Options,
    readonly generator: LoadGenerator,
    readonly databaseServer: DatabaseServer,
    readonly signal: AbortSignal,
  ) {}

  /** The number of failed requests in all measurements so far. */
  get errors(): number {
    return this.errorCount;
  }

  /** Returns a database with a number of users and issued keys. The first call creates it. */
  async database(users = this.options.users, keys = 0): Promise<Database> {
    const name = `${users} ${keys}`;
    const existing = this.databases.get(name);
    if (existing !== undefined) return existing;
    this.progress(`fill a database with ${users} users`);
    const database = await this.databaseServer.create(users, keys);
    this.databases.set(name, database);
    return database;
  }

  /** Measures each turn once per round (A B C, A B C, …). Returns a list of results per turn. */
  async inTurns<Result>(
    turns: readonly Turn<Result>[],
    rounds = this.options.rounds,
  ): Promise<Result[][]> {
    const results: Result[][] = turns.map(() => []);
    for (let round = 1; round <= rounds; round += 1) {
      for (const [index, { name, measure }] of turns.entries()) {
        this.progress(`round ${round} of ${rounds}: ${name}`);
        results[index]?.push(await measure());
      }
    }
    return results;
  }

  /** Measures peers in turns. Starts a new process for each measurement. */
  async peersInTurns<Result>(
    subjects: readonly Subject[],
    measure: (server: PeerServer) => Promise<Result>,
    rounds?: number,
  ): Promise<Result[][]> {
    const turns = subjects.map((subject) => ({
      name: `${subject.peer.name}, ${subject.database.users} users`,
      measure: () => this.withServer(subject, measure),
    }));
    return this.inTurns(turns, rounds);
  }

  async withServer<Result>(
    subject: Subject,
    use: (server: PeerServer) => Promise<Result>,
  ): Promise<Result> {
    const { peer, database } = subject;
    const server = await PeerServer.start(peer, database, await this.keyFor(subject), this.signal);
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  }

  /**
   * Starts several servers and warms them up before it calls `use`. So a measurement can alternate
   * between the servers within seconds.
   */
  async withWarmServers<Result>(
    peers: readonly Peer[],
    use: (servers: readonly PeerServer[]) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.database();
    const subjects = peers.map((peer) => ({ peer, database }));
    return this.withServers(subjects, async (servers) => {
      for (const server of servers) {
        this.progress(`warm up ${server.peer.name}`);
        await this.warmUp(server);
      }
      return use(servers);
    });
  }

  private async withServers<Result>(
    subjects: readonly Subject[],
    use: (servers: readonly PeerServer[]) => Promise<Result>,
  ): Promise<Result> {
    const [first, ...others] = subjects;
    if (first === undefined) return use([]);
    return this.withServer(first, (server) =>
      this.withServers(others, (servers) => use([server, ...servers])),
    );
  }

  /** Sends load until the server has compiled its hot code and opened its database connections. */
  async warmUp(server: LoadTarget, connections = this.options.connections): Promise<void> {
    let requests = 0;
    for (let loads = 0; loads < MAX_WARM_UP_LOADS && requests < WARM_UP_REQUESTS; loads += 1) {
      requests += (await this.load(server, { connections, seconds: WARM_UP_SECONDS })).requests;
    }
  }

  /**
   * Sends random requests to the server. Unless `settings` contains a pause, each connection sends
   * its next request immediately after a response.
   */
  async load(
    { origin, request }: LoadTarget,
    settings: Partial<Omit<Load, keyof LoadTarget>> = {},
  ): Promise<LoadResult> {
    const { connections, seconds } = this.options;
    const load = { origin, request, connections, seconds, ...settings };
    const result = await this.generator.run(load, this.signal);
    if (result.errors > 0) report(`${result.errors} of ${result.requests} requests failed`);
    this.errorCount += result.errors;
    return result;
  }

  progress(text: string): void {
    this.signal.throwIfAborted();
    report(text);
  }

  /** The API key for requests to a peer. */
  async keyFor({ peer, database }: Subject): Promise<string> {
    const name = `${peer.name} ${database.url}`;
    const key = this.keys.get(name) ?? (await peer.prepare(database));
    this.keys.set(name, key);
    return key;
  }
}
