/** Repeats a call with constant concurrency until a total is reached, and collects failures. */
export class Load {
  /** The number of calls that have started. */
  started = 0;
  readonly failures: unknown[] = [];

  constructor(
    private readonly call: () => Promise<unknown>,
    private total: number,
  ) {}

  /** Starts no further calls. Calls in flight complete. */
  stop(): void {
    this.total = this.started;
  }

  async run(concurrency: number): Promise<void> {
    const caller = async () => {
      while (this.started < this.total) {
        this.started += 1;
        try {
          await this.call();
        } catch (error) {
          this.failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
  }

  /**
   * Resolves when a share of all calls has started, so that the next step of a test happens under
   * load.
   */
  async reached(share: number): Promise<void> {
    while (this.started < share * this.total)
      await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The full amount with FULL=1; otherwise a tenth of it. */
export function scaled(full: number): number {
  return process.env.FULL === '1' ? full : full / 10;
}
