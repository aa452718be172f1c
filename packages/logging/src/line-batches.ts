import { type DestinationStream, pino } from 'pino';

// What waits while nobody reads the log, in bytes; later lines are dropped.
const MAX_WAITING = 16 * 1024 * 1024;
const INTERVAL_MS = 10;

/**
 * Writes lines in batches, without waiting for whoever reads them: at the end of the turn of the event loop, or 10 ms after the
 * batch before, since a write costs as much as all else of thirty lines. At the end of the process nothing is left.
 */
export class LineBatches implements DestinationStream {
  private readonly stream: ReturnType<typeof pino.destination>;
  private lines: string[] = [];
  private isScheduled = false;

  constructor(descriptor: number) {
    this.stream = pino.destination({ dest: descriptor, sync: false, maxLength: MAX_WAITING });
    // A full disk must not end the process. The lines wait, and are tried again with the next ones.
    this.stream.on('error', () => undefined);
    // Before the stream's own listener, which writes what the stream has.
    process.prependOnceListener('exit', () => this.flush());
  }

  write(line: string): void {
    this.lines.push(line);
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.writeBatch());
  }

  private writeBatch(): void {
    this.isScheduled = this.lines.length > 0;
    if (!this.isScheduled) return;
    this.flush();
    setTimeout(() => this.writeBatch(), INTERVAL_MS).unref();
  }

  private flush(): void {
    const { lines } = this;
    this.lines = [];
    if (lines.length > 0) this.stream.write(lines.join(''));
  }
}
