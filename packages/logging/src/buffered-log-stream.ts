import { writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const CAPACITY_BYTES = 16 * 1024 * 1024;
// Below the 64 KiB that a pipe can hold.
const BATCH_BYTES = 48 * 1024;
const INTERVAL_MS = 20;
const RETRY_MS = 5;
const EXIT_WAIT_MS = 300;
const EXIT_RETRY_MS = 1;
// The length of the escape sequence `\uXXXX`.
const MAX_ESCAPED_LENGTH = 6;
const READER_GONE = new Set(['EPIPE', 'EBADF']);

const SLEEPING = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes JSON lines to a file descriptor in batches: every 20 ms, or when 48 KiB are buffered. A
 * slow reader does not block the process, because the stream retries later. At exit, the stream
 * retries for up to 0.3 s. Lines beyond 16 MiB are dropped and counted. See docs/decisions/0033.
 */
export class BufferedLogStream implements DestinationStream {
  // A buffer, because queued strings would survive minor GCs and slow them down.
  private readonly buffer = Buffer.allocUnsafeSlow(CAPACITY_BYTES);
  private start = 0;
  private end = 0;
  private isBlocked = false;
  private dropped = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly descriptor: number) {
    process.prependOnceListener('exit', () => this.flushAtExit());
  }

  write(line: string): void {
    if (this.hasRoomFor(MAX_ESCAPED_LENGTH * line.length)) this.end += this.writeAscii(line);
    else this.dropped += 1;
    if (this.end - this.start >= BATCH_BYTES && !this.isBlocked) this.flush();
    this.flushIn(INTERVAL_MS);
  }

  /** Escapes non-ASCII characters, because terminals obey some of them, such as U+009B. */
  private writeAscii(line: string): number {
    const bytes = this.buffer.write(line, this.end);
    // Comparing lengths detects non-ASCII characters faster than a search of the line.
    return bytes === line.length ? bytes : this.buffer.write(escapeNonAscii(line), this.end);
  }

  private hasRoomFor(bytes: number): boolean {
    // Moving bytes is slow: move them to the start only when flushed bytes fill half of the buffer.
    if (this.end + bytes > CAPACITY_BYTES && this.start >= CAPACITY_BYTES / 2) {
      this.buffer.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    return this.end + bytes <= CAPACITY_BYTES;
  }

  private flushIn(milliseconds: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (!this.flush()) this.flushIn(RETRY_MS);
    }, milliseconds).unref();
  }

  /** Returns false if bytes remain. */
  private flush(): boolean {
    this.isBlocked = !this.writeAll();
    if (this.isBlocked) return false;
    this.start = 0;
    this.end = 0;
    if (this.dropped === 0) return true;
    this.reportDropped();
    return this.flush();
  }

  private writeAll(): boolean {
    try {
      while (this.start < this.end) {
        this.start += writeSync(this.descriptor, this.buffer, this.start, this.end - this.start);
      }
      return true;
    } catch (error) {
      // A full disk or a closed pipe must not end the process. If the reader is gone, the bytes
      // are dropped: the result is true, as if they had been written.
      return error instanceof Error && 'code' in error && READER_GONE.has(String(error.code));
    }
  }

  private reportDropped(): void {
    const msg = `dropped ${this.dropped} log lines: the reader is too slow`;
    this.dropped = 0;
    this.write(`${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg })}\n`);
  }

  private flushAtExit(): void {
    const deadline = performance.now() + EXIT_WAIT_MS;
    while (!this.flush() && performance.now() < deadline) {
      // Sleeps by blocking the thread, because no timer runs after `exit`.
      Atomics.wait(SLEEPING, 0, 0, EXIT_RETRY_MS);
    }
  }
}

function escapeNonAscii(line: string): string {
  return line.replace(/[^\n\x20-\x7e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
