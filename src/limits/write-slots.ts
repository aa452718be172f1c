import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';

// Shares of the pool's connections: at most the first for writes of one key; the second is reserved
// for reads.
const SHARE_OF_KEY = 1 / 3;
const SHARE_OF_READS = 1 / 3;
// As long as the pool lets a query wait for a connection (`database-pool.ts`).
const MAX_WAIT_MS = 700;
const MAX_WAITING = 512;
const MAX_WAITING_PER_KEY = 128;

interface Write {
  readonly keyId: string;
  /** Id of the written user; undefined if the server chooses it. */
  readonly userId: string | undefined;
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
  /** Queued writes in order of arrival, each with the function that starts it. */
  private readonly queue = new Map<Write, () => void>();

  constructor(config: ConfigService<Environment, true>) {
    const connections = config.get('DATABASE_POOL_MAX', { infer: true });
    this.slots = Math.max(1, connections - Math.ceil(connections * SHARE_OF_READS));
    this.slotsPerKey = Math.max(1, Math.floor(connections * SHARE_OF_KEY));
  }

  /** Number of queued writes, which use neither a connection nor CPU time. */
  get waiting(): number {
    return this.queue.size;
  }

  /**
   * Runs a write as soon as a slot is free.
   * @param userId id of the written user; undefined if the server chooses it
   * @throws ProblemException `CONCURRENCY_LIMITED` or `OVERLOADED` if the queue is full or
   * the write waits for 700 ms. An error of `operation` is passed on.
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
      for (const [waiting, start] of this.queue) if (this.hasSlotFor(waiting)) start();
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

  /** Resolves when the write has taken a slot. */
  private waitForSlot(write: Write): Promise<void> {
    const isFull = this.queue.size >= MAX_WAITING || this.countQueued(write) >= MAX_WAITING_PER_KEY;
    if (isFull) throw this.refusal(write);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.queue.delete(write);
        reject(this.refusal(write));
      }, MAX_WAIT_MS);
      this.queue.set(write, () => {
        clearTimeout(timer);
        this.queue.delete(write);
        this.running.add(write);
        resolve();
      });
    });
  }

  /** A key with half of the queued writes or more exceeds its limit; else it is overload. */
  private refusal(write: Write): ProblemException {
    const isOwnFault = this.countQueued(write) * 2 >= this.queue.size;
    return new ProblemException(isOwnFault ? 'CONCURRENCY_LIMITED' : 'OVERLOADED');
  }

  private countQueued({ keyId }: Write): number {
    return [...this.queue.keys()].filter((write) => write.keyId === keyId).length;
  }
}
