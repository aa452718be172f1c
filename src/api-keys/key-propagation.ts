import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { Acknowledgements } from './feed/acknowledgements.js';
import { CHANGES_CHANNEL } from './feed/feed-connection.js';
import type { KeyChange } from './key-changes.js';

/** How far a change of a key has come. */
export interface Propagation {
  /** Live processes that go by the change. */
  readonly instances: number;
  /** Live processes that have not said so in time. */
  readonly silentInstances: number;
  /** Milliseconds from the beginning of the change until the last process went by it. */
  readonly effectiveAfterMs: number;
}

interface ChangedKey {
  readonly id: string;
  readonly revision: bigint;
}

/** Changes of keys that are over only when every live process goes by them. */
@Injectable()
export class KeyPropagation implements OnApplicationShutdown {
  private readonly url: string;
  // Kept from one change to the next: to connect takes longer than the change itself.
  private listening: Promise<Acknowledgements> | undefined;

  constructor(config: ConfigService<Environment, true>) {
    this.url = config.get('DATABASE_URL', { infer: true });
  }

  async onApplicationShutdown(): Promise<void> {
    const acknowledgements = await this.listening?.catch(() => undefined);
    acknowledgements?.close();
  }

  /** Carries out a change, and waits until it is in force everywhere, or for 2 s. */
  async confirm<Change extends { readonly row: ChangedKey }>(
    carryOut: () => Promise<Change>,
  ): Promise<Change & { propagation: Propagation }> {
    const startedAt = performance.now();
    // Listens before the change, or the first answers would be missed.
    const acknowledgements = await this.listen();
    // Also proves that the connection is good, while nothing has been changed yet.
    const expected = await acknowledgements.findLiveInstances();
    const change = await carryOut();
    const { acknowledged, silent, completeAt } = await acknowledgements
      .collect(change.row)
      // At least this process has not said so.
      .catch(() => ({
        acknowledged: 0,
        silent: Math.max(1, expected.length),
        completeAt: startedAt,
      }));
    const effectiveAfterMs = Math.ceil(completeAt - startedAt);
    const propagation = { instances: acknowledged, silentInstances: silent, effectiveAfterMs };
    return { ...change, propagation };
  }

  /** Has every process look at a key again, and say so. */
  async announceAgain({ id }: ChangedKey, { prisma }: KeyChange): Promise<void> {
    await prisma.$queryRaw`SELECT pg_notify(${CHANGES_CHANNEL}, ${id})::text`;
  }

  private async listen(): Promise<Acknowledgements> {
    this.listening ??= Acknowledgements.listen(this.url, () => (this.listening = undefined));
    try {
      return await this.listening;
    } catch (error) {
      this.listening = undefined;
      throw error;
    }
  }
}
