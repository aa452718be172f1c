import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseUrls } from '../prisma/database-urls.js';
import { Acknowledgements, type Collected } from './key-sync/acknowledgements.js';
import { CHANGES_CHANNEL } from './key-sync/key-sync-session.js';
import type { KeyRevision } from './key-sync/instance.js';
import { MessageAuthenticator } from './key-sync/message-authenticator.js';
import type { Blockers, KeyChange } from './key-changes.js';

export interface Propagation extends Pick<Collected, 'instances' | 'silentInstances'> {
  /** Milliseconds from the beginning of the change until the last process applied it. */
  readonly effectiveAfterMs: number;
}

/** Makes every process read the keys again and acknowledge them. */
export async function announceAgain(
  keys: readonly KeyRevision[],
  { prisma }: KeyChange,
): Promise<void> {
  const ids = keys.map(({ id }) => id);
  await prisma.$queryRaw`
    SELECT pg_notify(${CHANGES_CHANNEL}, id)::text FROM unnest(${ids}::text[]) AS id`;
}

/** Runs changes of keys that complete when every live process has applied them. */
@Injectable()
export class KeyPropagation implements OnApplicationShutdown {
  private readonly logger = new Logger(KeyPropagation.name);
  // Reused: connecting takes longer than the change itself.
  private listening: Promise<Acknowledgements> | undefined;

  constructor(
    private readonly authenticator: MessageAuthenticator,
    private readonly urls: DatabaseUrls,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    const acknowledgements = await this.listening?.catch(() => undefined);
    acknowledgements?.close();
  }

  /**
   * Runs a change of keys, and waits up to 2 s until every process has acknowledged it.
   * @param untilEnforced waits 5 s for instances that prove no shared root key: after that time no
   * process admits the keys
   * @param carryOut makes the change, and can end sessions that block it
   */
  async propagate<Change extends { readonly rows: readonly KeyRevision[] }>(
    { untilEnforced }: { readonly untilEnforced: boolean },
    carryOut: (blockers: Blockers) => Promise<Change>,
  ): Promise<Change & { propagation: Propagation }> {
    const startedAt = performance.now();
    // Listen before the change, or the first acknowledgements would be missed.
    const acknowledgements = await this.listen();
    // Also proves that the connection works, before anything is changed.
    const { expected } = await acknowledgements.findLiveInstances();
    const change = await carryOut(acknowledgements.blockers);
    const { unproven, completeAt, ...counts } = await acknowledgements
      .collect(change.rows, untilEnforced)
      .catch(() => ({
        instances: 0,
        // At least this process has not acknowledged.
        silentInstances: Math.max(1, expected.length),
        unproven: [],
        completeAt: startedAt,
      }));
    if (unproven.length > 0) this.reportUnproven(unproven);
    const propagation = { ...counts, effectiveAfterMs: Math.ceil(completeAt - startedAt) };
    return { ...change, propagation };
  }

  private reportUnproven(instances: readonly string[]): void {
    const ids = instances.slice(0, 5).join(', ');
    this.logger.warn(
      `Instances without a root key of this process: ${instances.length} (${ids}). Restart them with the current root key, or look for forged rows in \`instances\``,
    );
  }

  private async listen(): Promise<Acknowledgements> {
    const listening = (this.listening ??= Acknowledgements.listen(
      this.urls,
      this.authenticator,
      () => (this.listening = undefined),
    ));
    try {
      return await listening;
    } catch (error) {
      if (this.listening === listening) this.listening = undefined;
      throw error;
    }
  }
}
