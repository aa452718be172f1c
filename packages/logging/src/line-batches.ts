import { type DestinationStream, pino } from 'pino';

declare module 'sonic-boom' {
  interface SonicBoom {
    // What it takes with `contentMode: 'buffer'`, which its types leave out.
    write(bytes: Uint8Array): boolean;
  }
}

// What waits while nobody reads the log, in bytes; later lines are dropped.
const MAX_WAITING = 16 * 1024 * 1024;
const BATCH_BYTES = 512 * 1024;
const INTERVAL_MS = 50;
// At the end, for a reader that does not read.
const LAST_WAIT_MS = 500;

/** Takes lines of the log. */
export interface LineStream extends DestinationStream {
  /** Takes lines of ASCII, in half the time. */
  writeAscii(lines: string): void;
}

/**
 * Writes lines in batches, without waiting for whoever reads them: at the end of the turn of the event loop, or 50 ms after the
 * batch before, since a write costs as much as hundreds of lines. At the end of the process nothing is left.
 */
export class LineBatches implements LineStream {
  private readonly stream: ReturnType<typeof pino.destination>;
  // Bytes, and not the lines: strings that wait outlive a collection of young objects, which copies them piece by piece: 1 % of a request.
  private readonly batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  private used = 0;
  private isScheduled = false;
  private retriesUntil = Infinity;
  private isBroken = false;

  constructor(descriptor: number) {
    this.stream = pino.destination({
      dest: descriptor,
      sync: false,
      // Node would make room for three bytes of each character of a text.
      contentMode: 'buffer',
      maxLength: MAX_WAITING,
      retryEAGAIN: () => performance.now() < this.retriesUntil,
    });
    // A full disk must not end the process. The lines wait, and are tried again with the next ones.
    this.stream.on('error', () => (this.isBroken = true));
    this.stream.on('write', () => (this.isBroken = false));
    process.prependOnceListener('exit', () => this.end());
  }

  write(line: string): void {
    // UTF-8 has three bytes at the most for a unit of UTF-16.
    if (this.makeRoom(3 * line.length)) this.used += this.batch.write(line, this.used);
    else this.stream.write(Buffer.from(line));
    this.schedule();
  }

  writeAscii(lines: string): void {
    if (this.makeRoom(lines.length)) this.used += this.batch.write(lines, this.used, 'latin1');
    else this.stream.write(Buffer.from(lines, 'latin1'));
    this.schedule();
  }

  /** False if there is not so much in the whole batch; then it is empty. */
  private makeRoom(bytes: number): boolean {
    if (bytes > BATCH_BYTES - this.used) this.flush();
    return bytes <= BATCH_BYTES;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.writeBatch());
  }

  private writeBatch(): void {
    this.isScheduled = this.used > 0;
    if (!this.isScheduled) return;
    this.flush();
    setTimeout(() => this.writeBatch(), INTERVAL_MS).unref();
  }

  /** In place of the stream's own end, which waits for the reader for ever. */
  private end(): void {
    this.retriesUntil = performance.now() + LAST_WAIT_MS;
    try {
      this.flush();
      // It would try again without end, whatever is wrong (pinojs/sonic-boom).
      if (!this.isBroken) this.stream.flushSync();
    } catch {
      // Nobody can be told.
    } finally {
      this.stream.destroy();
    }
  }

  private flush(): void {
    const { used } = this;
    this.used = 0;
    if (used > 0) this.stream.write(Buffer.from(this.batch.subarray(0, used)));
  }
}
