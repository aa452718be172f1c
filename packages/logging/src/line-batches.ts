import { writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

// For what waits while nobody reads the log, in bytes. What has been read of it is not used again before it is half: to move the rest
// for each line would take all time.
const MOST_ROOM = 16 * 1024 * 1024;
const USUAL_ROOM = 128 * 1024;
// A pipe holds 64 KiB.
const BATCH_BYTES = 48 * 1024;
const INTERVAL_MS = 20;
const RETRY_MS = 5;
// At the end, for a reader that does not read, and is asked more often then: nothing else is left to do.
const LAST_WAIT_MS = 300;
const LAST_RETRY_MS = 1;
// Nobody will ever read it.
const LOST = new Set(['EPIPE', 'EBADF']);

const SLEEPING = new Int32Array(new SharedArrayBuffer(4));

/** Takes lines of the log. */
export interface LineStream extends DestinationStream {
  /** Takes lines of ASCII, in half the time. */
  writeAscii(lines: string): void;
}

/**
 * Writes lines in batches: at the end of the turn of the event loop, or 20 ms after the batch before, or when there are 48 KiB. It writes by
 * itself, as Node does to its stdout, since to hand a batch to another thread costs as much as hundreds of lines. Of a descriptor that
 * does not block, nothing waits for the reader: what it does not take is tried again, also at the end of the process. What finds no room
 * is dropped, and a line says so.
 */
export class LineBatches implements LineStream {
  // Bytes, and not the lines: strings that wait outlive a collection of young objects, which copies them piece by piece: 1 % of a request.
  private waiting = Buffer.allocUnsafeSlow(USUAL_ROOM);
  private start = 0;
  private end = 0;
  private isScheduled = false;
  /** Not all was taken. */
  private isBehind = false;
  private dropped = 0;

  constructor(private readonly descriptor: number) {
    process.prependOnceListener('exit', () => this.finish());
  }

  write(line: string): void {
    // UTF-8 has three bytes at the most for a unit of UTF-16.
    this.add(line, 3 * line.length, 'utf8');
  }

  writeAscii(lines: string): void {
    this.add(lines, lines.length, 'latin1');
  }

  private add(text: string, mostBytes: number, encoding: 'utf8' | 'latin1'): void {
    if (this.makeRoom(mostBytes)) this.end += this.waiting.write(text, this.end, encoding);
    else this.dropped += text.split('\n').length - 1;
    if (this.end - this.start >= BATCH_BYTES && !this.isBehind) this.send();
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.sendBatch());
  }

  /** False if so much may not wait. */
  private makeRoom(bytes: number): boolean {
    if (this.end + bytes <= this.waiting.length) return true;
    const needed = this.end - this.start + bytes;
    let room = this.waiting;
    if (2 * needed > room.length) {
      if (2 * needed > MOST_ROOM) return false;
      room = Buffer.allocUnsafeSlow(2 * needed);
    }
    this.end = this.waiting.copy(room, 0, this.start, this.end);
    this.start = 0;
    this.waiting = room;
    return true;
  }

  private sendBatch(): void {
    this.isScheduled = this.end > this.start;
    if (!this.isScheduled) return;
    const delay = this.send() ? INTERVAL_MS : RETRY_MS;
    setTimeout(() => this.sendBatch(), delay).unref();
  }

  /** Whether all that waits was taken. */
  private send(): boolean {
    this.isBehind = false;
    try {
      while (this.start < this.end) {
        this.start += writeSync(this.descriptor, this.waiting, this.start, this.end - this.start);
      }
    } catch (error) {
      // Neither a full disk may end the process, nor a reader that has left.
      this.isBehind = !(error instanceof Error && 'code' in error && LOST.has(String(error.code)));
      if (this.isBehind) return false;
    }
    this.start = 0;
    this.end = 0;
    if (this.waiting.length > USUAL_ROOM) this.waiting = Buffer.allocUnsafeSlow(USUAL_ROOM);
    if (this.dropped > 0) this.tellOfDropped();
    return true;
  }

  private tellOfDropped(): void {
    const msg = `${this.dropped} lines of the log were dropped, since nobody took them`;
    this.dropped = 0;
    this.write(`${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg })}\n`);
  }

  private finish(): void {
    const deadline = performance.now() + LAST_WAIT_MS;
    while (!this.send() && performance.now() < deadline) {
      Atomics.wait(SLEEPING, 0, 0, LAST_RETRY_MS);
    }
  }
}
