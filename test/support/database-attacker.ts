import { Client } from 'pg';

/** Sessions of somebody who has the account that the backend serves with, and nothing else. */
export class DatabaseAttacker {
  private readonly sessions = new Set<Client>();
  private hasStopped = false;

  constructor(private readonly url: string) {}

  /** A session that PostgreSQL may end. */
  async connect(): Promise<Client> {
    const session = new Client({ connectionString: this.url, application_name: 'attacker' });
    session.on('error', () => undefined);
    session.once('end', () => this.sessions.delete(session));
    this.sessions.add(session);
    await session.connect();
    return session;
  }

  /** Opens a transaction, and leaves it open. */
  async hold(...statements: string[]): Promise<void> {
    const session = await this.connect();
    for (const statement of ['BEGIN', ...statements]) await session.query(statement);
  }

  /**
   * Opens such transactions for ever: wherever one is ended, the next one comes. Resolves when the
   * first ones have begun.
   */
  async holdAgainAndAgain(count: number, ...statements: string[]): Promise<void> {
    let begun: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (begun = resolve));
    for (let number = 0; number < count; number++) void this.keepHolding(statements, begun);
    await first;
  }

  /** Runs a statement over and over, until the returned function is called. */
  async repeat(statement: string): Promise<() => Promise<void>> {
    const session = await this.connect();
    const over = new AbortController();
    const repeating = (async () => {
      while (!over.signal.aborted) await session.query(statement);
    })();
    return async () => {
      over.abort();
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
        // Ended while it waited in the queue.
      }
    }
  }
}
