import { Client } from 'pg';

/** Sessions of an attacker that has only the run-time role. */
export class DatabaseAttacker {
  private readonly sessions = new Set<Client>();
  private hasStopped = false;

  constructor(private readonly url: string) {}

  /** Opens a session. If PostgreSQL ends the session, the test does not fail. */
  async connect(): Promise<Client> {
    const session = new Client({ connectionString: this.url, application_name: 'attacker' });
    session.on('error', () => undefined);
    session.once('end', () => this.sessions.delete(session));
    this.sessions.add(session);
    await session.connect();
    return session;
  }

  /** Runs statements in a transaction, and leaves the transaction open. */
  async hold(...statements: string[]): Promise<void> {
    const session = await this.connect();
    for (const statement of ['BEGIN', ...statements]) await session.query(statement);
  }

  /**
   * Keeps `count` transactions open: if PostgreSQL ends a session, a new session repeats the
   * transaction. Resolves when the first transaction has run its statements.
   */
  async keepHeld(count: number, ...statements: string[]): Promise<void> {
    let begun: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (begun = resolve));
    for (let number = 0; number < count; number++) void this.keepHolding(statements, begun);
    await first;
  }

  /** Repeats a statement until the returned function is called. */
  async repeat(statement: string): Promise<() => Promise<void>> {
    const session = await this.connect();
    const stopping = new AbortController();
    const repeating = (async () => {
      while (!stopping.signal.aborted) await session.query(statement);
    })();
    return async () => {
      stopping.abort();
      await repeating;
    };
  }

  async stop(): Promise<void> {
    this.hasStopped = true;
    await Promise.all([...this.sessions].map((session) => session.end().catch(() => undefined)));
  }

  private async keepHolding(statements: string[], onBegun: () => void): Promise<void> {
    while (!this.hasStopped) {
      try {
        const session = await this.connect();
        const ended = new Promise((resolve) => session.once('end', resolve));
        for (const statement of ['BEGIN', ...statements]) await session.query(statement);
        onBegun();
        await ended;
      } catch {
        // PostgreSQL ended the session while a statement waited for a lock.
      }
    }
  }
}
