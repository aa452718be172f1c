import { EventEmitter, once } from 'node:events';
import { BlockingSessions } from './blocking-sessions.js';
import { type KeyRevision, describeAcknowledgement, describeInstance } from './instance.js';
import { ACKNOWLEDGEMENTS_CHANNEL } from './key-sync-session.js';
import { STALE_AFTER_MS } from './key-sync.js';
import { ListeningClient } from './listening-client.js';
import type { MessageAuthenticator } from './message-authenticator.js';
import type { DatabaseUrls } from '../../prisma/database-urls.js';

/** The time that a change waits for silent processes. */
const COLLECT_TIMEOUT_MS = 2000;
// The interval of reading the instances again: a silent process may have left.
const POLL_INTERVAL_MS = 100;
const KEPT_FOR_MS = 10_000;
const RECEIVED = 'received';

interface LiveInstances {
  /** Processes that must acknowledge a change, including earlier releases, which cannot sign. */
  readonly expected: readonly string[];
  /** Rows that no root key of this process proves: forged, or of a process with other root keys. */
  readonly unproven: readonly string[];
}

type InstanceRow = {
  readonly id: string;
  readonly secret_digest: string | null;
  readonly proof: string | null;
};

export interface Collected {
  /** Live processes that have applied the change. */
  readonly instances: number;
  /** Live processes that have not acknowledged in time. */
  readonly silentInstances: number;
  /** Ids of rows that may be forged. */
  readonly unproven: readonly string[];
  /** When the change was in force everywhere (`performance.now()`). */
  readonly completeAt: number;
}

/** Collects acknowledgements of key changes over its own connection, also for the command line. */
export class Acknowledgements {
  /** Ends sessions over this connection, which is open before anything blocks. */
  readonly blockers: BlockingSessions;
  private readonly client: ListeningClient;
  /** The arrival times of authentic acknowledgements, oldest first. */
  private readonly received = new Map<string, number>();
  // The number of waiting changes is not limited.
  private readonly events = new EventEmitter().setMaxListeners(0);

  private constructor(
    urls: DatabaseUrls,
    private readonly authenticator: MessageAuthenticator,
    onEnd: () => void,
  ) {
    const onNotification = (_channel: string, payload: string) => this.receive(payload);
    this.client = new ListeningClient(urls, 'latchkey-key-change', { onNotification, onEnd });
    this.blockers = new BlockingSessions(this.client);
  }

  /** @param onEnd is called when the connection is gone */
  static async listen(
    urls: DatabaseUrls,
    authenticator: MessageAuthenticator,
    onEnd: () => void,
  ): Promise<Acknowledgements> {
    const acknowledgements = new Acknowledgements(urls, authenticator, onEnd);
    await acknowledgements.client.listen([ACKNOWLEDGEMENTS_CHANNEL]);
    return acknowledgements;
  }

  /**
   * The processes that a change concerns. A process that was silent for longer refuses issued keys.
   */
  async findLiveInstances(): Promise<LiveInstances> {
    const rows = await this.client.query<InstanceRow>(
      `SELECT id, encode(secret_digest, 'hex') AS secret_digest, proof FROM instances
       WHERE last_seen_at > now() - $1 * interval '1 millisecond'`,
      [STALE_AFTER_MS],
    );
    const expected = rows.filter((row) => this.isExpected(row)).map(({ id }) => id);
    const known = new Set(expected);
    return { expected, unproven: rows.map(({ id }) => id).filter((id) => !known.has(id)) };
  }

  /**
   * Waits up to 2 s until every expected process has acknowledged the revisions. An unproven
   * process may have other root keys, so its acknowledgements are ignored: it applies the change or
   * refuses issued keys within `STALE_AFTER_MS`.
   * @param untilEnforced whether to wait for that time if nothing else is missing
   */
  async collect(keys: readonly KeyRevision[], untilEnforced: boolean): Promise<Collected> {
    const committedAt = performance.now();
    const deadline = committedAt + COLLECT_TIMEOUT_MS;
    const enforcedAt = committedAt + STALE_AFTER_MS;
    const isSilent = (instance: string) => this.acknowledgedAt(instance, keys) === undefined;
    for (let live = await this.findLiveInstances(); ; live = await this.findRemaining(live)) {
      const { expected, unproven } = live;
      // Acknowledgements that have arrived meanwhile need no query.
      while (expected.some(isSilent) && (await this.waitForNext(deadline)));
      const silentInstances = expected.filter(isSilent).length;
      const isUncertain = untilEnforced && silentInstances === 0 && unproven.length > 0;
      const until = isUncertain ? enforcedAt : deadline;
      if ((silentInstances === 0 && !isUncertain) || performance.now() >= until) {
        const times = expected.map((id) => this.acknowledgedAt(id, keys) ?? committedAt);
        const completeAt = Math.max(isUncertain ? enforcedAt : committedAt, ...times);
        const instances = expected.length - silentInstances;
        return { instances, silentInstances, unproven, completeAt };
      }
      if (isUncertain) await this.waitForNext(enforcedAt);
    }
  }

  close(): void {
    this.client.close();
  }

  private receive(payload: string): void {
    const end = payload.lastIndexOf(' ');
    const acknowledgement = payload.slice(0, Math.max(0, end));
    if (!this.authenticator.isAuthentic(acknowledgement, payload.slice(end + 1))) return;
    const now = performance.now();
    forgetBefore(this.received, now - KEPT_FOR_MS);
    // Reinserted at the end, so that the oldest stay in front.
    this.received.delete(acknowledgement);
    this.received.set(acknowledgement, now);
    this.events.emit(RECEIVED);
  }

  // A process that started later has read the changed keys.
  private async findRemaining({ expected, unproven }: LiveInstances): Promise<LiveInstances> {
    const live = await this.findLiveInstances();
    return {
      expected: live.expected.filter((id) => expected.includes(id)),
      unproven: live.unproven.filter((id) => unproven.includes(id)),
    };
  }

  private isExpected({ id, secret_digest: secretDigest, proof }: InstanceRow): boolean {
    if (secretDigest === null || proof === null) return true;
    return this.authenticator.isAuthentic(describeInstance(id, secretDigest), proof);
  }

  /** Returns when a process had acknowledged all the revisions; undefined if it has not. */
  private acknowledgedAt(instance: string, keys: readonly KeyRevision[]): number | undefined {
    let latest = -Infinity;
    for (const key of keys) {
      const receivedAt = this.received.get(describeAcknowledgement(instance, key));
      if (receivedAt === undefined) return undefined;
      latest = Math.max(latest, receivedAt);
    }
    return latest;
  }

  /** Waits for the next acknowledgement, or until the instances must be read again. */
  private async waitForNext(deadline: number): Promise<boolean> {
    const leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
    const timeoutMs = Math.min(POLL_INTERVAL_MS, leftMs);
    try {
      await once(this.events, RECEIVED, { signal: AbortSignal.timeout(timeoutMs) });
      return true;
    } catch {
      return false;
    }
  }
}

/** Acknowledgements of other processes' changes arrive here too. */
function forgetBefore(received: Map<string, number>, time: number): void {
  for (const [acknowledgement, receivedAt] of received) {
    if (receivedAt >= time) return;
    received.delete(acknowledgement);
  }
}
