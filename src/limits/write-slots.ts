import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';

// Shares of the pool's connections: at most `MAX_SHARE_PER_KEY` for the writes of one key, and
// `SHARE_OF_READS` for reads alone.
const MAX_SHARE_PER_KEY = 1 / 3;
const SHARE_OF_READS = 1 / 3;
// Equals the time for which a query may wait for a connection of the pool (`database-pool.ts`).
const MAX_WAIT_MS = 700;
const MAX_WAITING = 512;
const MAX_WAITING_PER_KEY = 128;

interface Write {
  readonly keyId: string;
  /** Id of the written user; undefined if the server chooses it. */
  readonly userId: string | undefined;
}

/**
 * Bounds the database connections of writes that create, change or delete users: one per changed
 * user, a third of the pool per key, two thirds of the pool in total. Further writes wait in
 * memory, so connections remain for reads and other keys.
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
    this.slotsPerKey = Math.max(1, Math.floor(connections * MAX_SHARE_PER_KEY));
  }

  /** Number of queued writes, which use neither a connection nor CPU time. */
  get waiting(): number {
    return this.queue.size;
  }

  /**
   * Runs a write as soon as a slot is free.
   * @param userId id of the written user; undefined if the server chooses it
   * @throws ProblemException `CONCURRENCY_LIMITED` or `OVERLOADED` if the queue is full or
   * the write waits for 700 ms. Rethrows an error of `operation`.
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

  /** Returns `CONCURRENCY_LIMITED` if at least half of the queued writes have this write's key. */
  private refusal(write: Write): ProblemException {
    const isOwnFault = this.countQueued(write) * 2 >= this.queue.size;
    return new ProblemException(isOwnFault ? 'CONCURRENCY_LIMITED' : 'OVERLOADED');
  }

  private countQueued({ keyId }: Write): number {
    return [...this.queue.keys()].filter((write) => write.keyId === keyId).length;
  }
}
