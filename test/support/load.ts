/** Calls at a steady concurrency until so many are done, and hands over what happens on the way. */
export class Load {
  done = 0;
  readonly failures: unknown[] = [];

  constructor(
    private readonly call: () => Promise<unknown>,
    private total: number,
  ) {}

  /** Lets the calls in flight be the last ones. */
  stop(): void {
    this.total = this.done;
  }

  async run(concurrency: number): Promise<void> {
    const caller = async () => {
      while (this.done < this.total) {
        this.done += 1;
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
   * Resolves when a part of all calls has been made, so that what a test does then falls into the
   * middle of the load.
   */
  async reached(part: number): Promise<void> {
    while (this.done < part * this.total) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Of the real thing in CI, and all of it with FULL=1. */
export function scaled(full: number): number {
  return process.env.FULL === '1' ? full : full / 10;
}
