const MAX_BATCH_SIZE = 256;

interface Waiting<Value> {
  readonly id: string;
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Makes one query of all look-ups of a turn of the event loop. Nothing is kept: a look-up that begins after a write was
 * committed is part of a query that begins later still, so it sees the write.
 */
export class Coalescer<Value> {
  private readonly observers: ((size: number) => void)[] = [];
  private waiting: Waiting<Value>[] = [];

  /** @param read reads at most 256 distinct ids; an id without a value does not exist. */
  constructor(private readonly read: (ids: string[]) => Promise<ReadonlyMap<string, Value>>) {}

  /** Tells how many look-ups share each query from now on. */
  observe(observer: (size: number) => void): void {
    this.observers.push(observer);
  }

  /** Returns the row of an id, or undefined. Throws the error of the query. */
  find(id: string): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      const { length } = this.waiting;
      if (length === 0) setImmediate(() => this.flush());
      this.waiting.push({ id, resolve, reject });
      if (length + 1 === MAX_BATCH_SIZE) this.flush();
    });
  }

  private flush(): void {
    const batch = this.waiting;
    this.waiting = [];
    if (batch.length === 0) return;
    for (const observer of this.observers) observer(batch.length);
    void this.answer(batch);
  }

  private async answer(batch: readonly Waiting<Value>[]): Promise<void> {
    try {
      const found = await this.read([...new Set(batch.map(({ id }) => id))]);
      for (const { id, resolve } of batch) resolve(found.get(id));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
