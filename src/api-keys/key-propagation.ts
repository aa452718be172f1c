import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseUrls } from '../prisma/database-urls.js';
import type { Blockers, KeyChange } from './key-changes.js';
import { Acknowledgements } from './key-sync/acknowledgements.js';
import { BlockingSessions } from './key-sync/blocking-sessions.js';
import { type KeyRevision, describeInstance } from './key-sync/instance.js';
import { ACKNOWLEDGEMENTS_CHANNEL, CHANGES_CHANNEL } from './key-sync/key-sync-session.js';
import { STALE_AFTER_MS } from './key-sync/key-sync.js';
import { ListeningClient } from './key-sync/listening-client.js';
import { MessageAuthenticator } from './key-sync/message-authenticator.js';

/** How long a change waits for acknowledgements. */
const COLLECT_TIMEOUT_MS = 2000;
// While a change waits, the live instances are read again at this interval. An instance that has
// not acknowledged the change may have exited.
const POLL_INTERVAL_MS = 100;

/** An instance signs its row in the database with the root keys; this signature is its proof. */
interface LiveInstances {
  /** Instances that must acknowledge a change. Instances of earlier releases need no proof. */
  readonly expected: readonly string[];
  /** Instances whose proof matches no root key of this process: their rows may be forged. */
  readonly unproven: readonly string[];
}

export interface Propagation {
  /** The number of live instances that have applied the change. */
  readonly instances: number;
  /** The number of live instances that have not acknowledged the change in time. */
  readonly silentInstances: number;
  /** Milliseconds from the beginning of the change until the last instance applied it. */
  readonly effectiveAfterMs: number;
}

/** Makes every instance read the keys again and acknowledge their revisions. */
export async function announceAgain(
  keys: readonly KeyRevision[],
  { prisma }: KeyChange,
): Promise<void> {
  const ids = keys.map(({ id }) => id);
  await prisma.$queryRaw`
    SELECT pg_notify(${CHANGES_CHANNEL}, id)::text FROM unnest(${ids}::text[]) AS id`;
}

/** Runs changes of keys, and waits until every live instance has applied them. */
@Injectable()
export class KeyPropagation implements OnApplicationShutdown {
  private readonly logger = new Logger(KeyPropagation.name);
  private readonly acknowledgements: Acknowledgements;
  // Reused, because connecting takes longer than a change.
  private connection: Promise<ListeningClient> | undefined;

  constructor(
    private readonly authenticator: MessageAuthenticator,
    private readonly urls: DatabaseUrls,
  ) {
    this.acknowledgements = new Acknowledgements(authenticator);
  }

  async onApplicationShutdown(): Promise<void> {
    const client = await this.connection?.catch(() => undefined);
    client?.close();
  }

  /**
   * Runs a change of keys, and waits up to 2 s until every instance has acknowledged it.
   * @param untilEnforced whether to wait 5 s if there are unproven instances: by then, each of them
   * has applied the change or refuses issued keys
   * @param makeChange makes the change, and can end sessions that block it
   */
  async propagate<Change extends { readonly rows: readonly KeyRevision[] }>(
    { untilEnforced }: { readonly untilEnforced: boolean },
    makeChange: (blockers: Blockers) => Promise<Change>,
  ): Promise<Change & { propagation: Propagation }> {
    const startedAt = performance.now();
    // Listen before the change, or the first acknowledgements would be missed.
    const client = await this.connect();
    // This query also checks the connection before anything is changed.
    const { expected } = await this.findLiveInstances(client);
    const change = await makeChange(new BlockingSessions(client));
    const propagation = await this.collect(client, change.rows, startedAt, untilEnforced).catch(
      () => ({
        instances: 0,
        // The acknowledgements are unknown, so the change must not count as confirmed.
        silentInstances: Math.max(1, expected.length),
        effectiveAfterMs: 0,
      }),
    );
    return { ...change, propagation };
  }

  private connect(): Promise<ListeningClient> {
    this.connection ??= this.listen().catch((error: unknown) => {
      this.connection = undefined;
      throw error;
    });
    return this.connection;
  }

  private async listen(): Promise<ListeningClient> {
    const client = new ListeningClient(this.urls, 'latchkey-key-change', {
      onNotification: (_channel, payload) => this.acknowledgements.receive(payload),
      onEnd: () => (this.connection = undefined),
    });
    await client.listen([ACKNOWLEDGEMENTS_CHANNEL]);
    return client;
  }

  /**
   * Reads the instances with a heartbeat within the last `STALE_AFTER_MS`. Any other instance
   * refuses issued keys, so it need not acknowledge a change.
   */
  private async findLiveInstances(client: ListeningClient): Promise<LiveInstances> {
    const rows = await client.query<{ id: string; digest: string | null; proof: string | null }>(
      `SELECT id, encode(secret_digest, 'hex') AS digest, proof FROM instances
       WHERE last_seen_at > now() - $1 * interval '1 millisecond'`,
      [STALE_AFTER_MS],
    );
    const expected = new Set<string>();
    for (const { id, digest, proof } of rows) {
      const isSigned = digest !== null && proof !== null;
      if (!isSigned || this.authenticator.isAuthentic(describeInstance(id, digest), proof)) {
        expected.add(id);
      }
    }
    const ids = rows.map(({ id }) => id);
    return { expected: [...expected], unproven: ids.filter((id) => !expected.has(id)) };
  }

  /**
   * Waits until every expected instance has acknowledged the revisions. The acknowledgements of an
   * unproven instance cannot be verified. Within `STALE_AFTER_MS`, such an instance applies the
   * change or refuses issued keys. With `untilEnforced`, this method waits that long.
   */
  private async collect(
    client: ListeningClient,
    keys: readonly KeyRevision[],
    startedAt: number,
    untilEnforced: boolean,
  ): Promise<Propagation> {
    const committedAt = performance.now();
    const deadline = committedAt + COLLECT_TIMEOUT_MS;
    const enforcedAt = committedAt + STALE_AFTER_MS;
    const timeOf = (instance: string) => this.acknowledgements.timeOf(instance, keys);
    const isSilent = (instance: string) => timeOf(instance) === undefined;
    const waitUntil = async (time: number) => {
      const leftMs = time - performance.now();
      const timeoutMs = Math.min(POLL_INTERVAL_MS, leftMs);
      return leftMs > 0 && this.acknowledgements.waitForNext(timeoutMs);
    };
    let { expected, unproven } = await this.findLiveInstances(client);
    for (;;) {
      // While acknowledgements keep arriving, the instances need not be read again.
      while (expected.some(isSilent) && (await waitUntil(deadline)));
      const silentInstances = expected.filter(isSilent).length;
      const isUncertain = untilEnforced && silentInstances === 0 && unproven.length > 0;
      const until = isUncertain ? enforcedAt : deadline;
      if ((silentInstances === 0 && !isUncertain) || performance.now() >= until) {
        if (unproven.length > 0) this.reportUnproven(unproven);
        const times = expected.map((id) => timeOf(id) ?? committedAt);
        const completeAt = Math.max(isUncertain ? enforcedAt : committedAt, ...times);
        const effectiveAfterMs = Math.ceil(completeAt - startedAt);
        return { instances: expected.length - silentInstances, silentInstances, effectiveAfterMs };
      }
      if (isUncertain) await waitUntil(enforcedAt);
      const live = await this.findLiveInstances(client);
      // Ignore instances that have started since: they have read the changed keys.
      expected = live.expected.filter((id) => expected.includes(id));
      unproven = live.unproven.filter((id) => unproven.includes(id));
    }
  }

  private reportUnproven(instances: readonly string[]): void {
    const ids = instances.slice(0, 5).join(', ');
    this.logger.warn(
      `${instances.length} instance(s), including ${ids}, have not proved that they share a root key with this process. If these instances are yours, restart them with the current root key. Otherwise, their rows in the table \`instances\` are forged`,
    );
  }
}
