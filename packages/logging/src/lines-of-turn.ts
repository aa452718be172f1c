import { type DestinationStream, pino } from 'pino';

// What waits while nobody reads the log, in bytes; later lines are dropped.
const MAX_WAITING = 16 * 1024 * 1024;

/**
 * Writes the lines of a turn of the event loop at once, since a write for each costs more than the line, and without waiting for
 * whoever reads them. At the end of the process nothing is left.
 */
export class LinesOfTurn implements DestinationStream {
  private readonly stream: ReturnType<typeof pino.destination>;
  private lines: string[] = [];

  constructor(descriptor: number) {
    this.stream = pino.destination({ dest: descriptor, sync: false, maxLength: MAX_WAITING });
    // Before the stream's own listener, which writes what the stream has.
    process.prependOnceListener('exit', () => this.flush());
  }

  write(line: string): void {
    if (this.lines.push(line) === 1) setImmediate(() => this.flush());
  }

  private flush(): void {
    const { lines } = this;
    this.lines = [];
    if (lines.length > 0) this.stream.write(lines.join(''));
  }
}
