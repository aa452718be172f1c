const MAX_BATCH_SIZE = 256;

interface Waiting<Value> {
  readonly id: string;
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Batches the look-ups of one event-loop tick into one query. Nothing is cached: the query starts
 * after its look-ups, so a look-up sees every write that was committed before the look-up began.
 */
export class BatchLoader<Value> {
  private readonly observers: ((size: number) => void)[] = [];
  private waiting: Waiting<Value>[] = [];

  /** @param read reads the values of up to 256 distinct ids, and omits ids that do not exist. */
  constructor(private readonly read: (ids: string[]) => Promise<ReadonlyMap<string, Value>>) {}

  /** Calls the observer once per query, with the number of look-ups that share the query. */
  observe(observer: (size: number) => void): void {
    this.observers.push(observer);
  }

  /** Returns the value of an id; undefined if there is none. @throws the error of the query */
  find(id: string): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      const { length } = this.waiting;
      if (length === 0) setImmediate(() => this.flush());
      this.waiting.push({ id, resolve, reject });
      if (length + 1 === MAX_BATCH_SIZE) this.flush();
    });
  }

  /** Returns the values of existing ids, in the order of `ids`. @throws the error of a query */
  async findMany(ids: readonly string[]): Promise<Map<string, Value>> {
    const values = await Promise.all(ids.map((id) => this.find(id)));
    const found = new Map<string, Value>();
    for (const [index, value] of values.entries()) {
      const id = ids[index];
      if (id !== undefined && value !== undefined) found.set(id, value);
    }
    return found;
  }

  private flush(): void {
    const batch = this.waiting;
    this.waiting = [];
    if (batch.length === 0) return;
    for (const observer of this.observers) observer(batch.length);
    void this.load(batch);
  }

  private async load(batch: readonly Waiting<Value>[]): Promise<void> {
    try {
      const found = await this.read([...new Set(batch.map(({ id }) => id))]);
      for (const { id, resolve } of batch) resolve(found.get(id));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
