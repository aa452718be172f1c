import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';

// Shares of the connections: for the writes of one key, and for all but writes.
const SHARE_OF_KEY = 1 / 3;
const SHARE_OF_READS = 1 / 3;
// The time that the pool waits for a connection.
const MAX_WAIT_MS = 700;
const MAX_WAITING = 512;
const MAX_WAITING_PER_KEY = 128;

interface Write {
  readonly keyId: string;
  /** The user that is changed; undefined for a new one. */
  readonly userId: string | undefined;
}

interface WaitingWrite extends Write {
  readonly start: () => void;
}

/**
 * Bounds the database connections that user writes hold: one per user, a third of the pool per key,
 * two thirds in all. Further writes queue in memory, so that reads and other keys find a
 * connection.
 */
@Injectable()
export class WriteSlots {
  private readonly slots: number;
  private readonly slotsPerKey: number;
  private readonly running = new Set<Write>();
  private readonly queue: WaitingWrite[] = [];

  constructor(config: ConfigService<Environment, true>) {
    const connections = config.get('DATABASE_POOL_MAX', { infer: true });
    this.slots = Math.max(1, connections - Math.ceil(connections * SHARE_OF_READS));
    this.slotsPerKey = Math.max(1, Math.floor(connections * SHARE_OF_KEY));
  }

  /** Queued writes. They use neither a connection nor CPU time. */
  get waiting(): number {
    return this.queue.length;
  }

  /**
   * Runs a write when it has a slot.
   * @param userId the user that is changed; undefined for a new one
   * @throws ProblemException `CONCURRENCY_LIMITED` or `OVERLOADED` if it waits too long, or the
   * error of `operation`
   */
  async run<Result>(
    { keyId }: Principal,
    userId: string | undefined,
    operation: () => Promise<Result>,
  ): Promise<Result> {
    const write = { keyId, userId };
    if (this.hasSlotFor(write)) this.running.add(write);
    else await this.waitForSlot(write);
    try {
      return await operation();
    } finally {
      this.running.delete(write);
      this.startWaiting();
    }
  }

  private hasSlotFor({ keyId, userId }: Write): boolean {
    if (this.running.size >= this.slots) return false;
    let runningOfKey = 0;
    for (const other of this.running) {
      if (userId !== undefined && other.userId === userId) return false;
      if (other.keyId === keyId) runningOfKey += 1;
    }
    return runningOfKey < this.slotsPerKey;
  }

  /** Resolves with the slot taken. */
  private waitForSlot(write: Write): Promise<void> {
    const { queue } = this;
    const isFull =
      queue.length >= MAX_WAITING || countOfKey(queue, write.keyId) >= MAX_WAITING_PER_KEY;
    if (isFull) throw this.refusal(write);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(this.refusal(write));
      }, MAX_WAIT_MS);
      const start = () => {
        clearTimeout(timer);
        this.running.add(write);
        resolve();
      };
      const waiting = { ...write, start };
      queue.push(waiting);
    });
  }

  private startWaiting(): void {
    let next = this.queue.find((waiting) => this.hasSlotFor(waiting));
    while (next !== undefined) {
      this.queue.splice(this.queue.indexOf(next), 1);
      next.start();
      next = this.queue.find((waiting) => this.hasSlotFor(waiting));
    }
  }

  /** A key with most of the queued writes exceeds its own limit; otherwise it is overload. */
  private refusal({ keyId }: Write): ProblemException {
    const isOwnFault = countOfKey(this.queue, keyId) * 2 >= this.queue.length;
    return new ProblemException(isOwnFault ? 'CONCURRENCY_LIMITED' : 'OVERLOADED');
  }
}

function countOfKey(writes: readonly Write[], keyId: string): number {
  return writes.filter((write) => write.keyId === keyId).length;
}
