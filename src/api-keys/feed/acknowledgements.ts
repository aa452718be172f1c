import { EventEmitter, once } from 'node:events';
import { ACKNOWLEDGEMENTS_CHANNEL } from './feed-connection.js';
import { STALE_AFTER_MS } from './key-feed.js';
import { ListeningClient } from './listening-client.js';

/** How long the answer to a change waits for silent processes. */
const COLLECT_TIMEOUT_MS = 2000;
// How often it is looked whether a process has left that was waited for.
const POLL_INTERVAL_MS = 100;
const KEPT_FOR_MS = 10_000;
const SAID = 'said';

/** Hears which processes go by a change of a key. It has a connection of its own, so that the command line can use it too. */
export class Acknowledgements {
  private constructor(
    private readonly client: ListeningClient,
    /** What was said, and when. */
    private readonly received: Map<string, number>,
    private readonly news: EventEmitter,
  ) {}

  /** @param onEnd is called when nothing can be heard any more. */
  static async listen(url: string, onEnd: () => void): Promise<Acknowledgements> {
    const received = new Map<string, number>();
    // Any number of changes may be waiting.
    const news = new EventEmitter().setMaxListeners(0);
    const onNotification = (_channel: string, payload: string) => {
      const now = performance.now();
      forgetBefore(received, now - KEPT_FOR_MS);
      // To the end, so that the oldest stay in front.
      received.delete(payload);
      received.set(payload, now);
      news.emit(SAID);
    };
    const channels = [ACKNOWLEDGEMENTS_CHANNEL];
    const listener = { onNotification, onEnd };
    const client = await ListeningClient.open(url, 'latchkey-key-change', channels, listener);
    return new Acknowledgements(client, received, news);
  }

  /** The processes that a change has to wait for. One that was not heard of for longer refuses issued keys by itself. */
  async findLiveInstances(): Promise<string[]> {
    const rows = await this.client.query<{ id: string }>({
      name: 'live-instances',
      text: `SELECT id FROM instances WHERE last_seen_at > now() - $1 * interval '1 millisecond'`,
      values: [STALE_AFTER_MS],
    });
    return rows.map(({ id }) => id);
  }

  /**
   * Waits until every live process has taken in a key's revision, or for 2 s. `completeAt` is when the last one said so, on
   * the clock of `performance`.
   */
  async collect({ id, revision }: { id: string; revision: bigint }): Promise<{
    acknowledged: number;
    silent: number;
    completeAt: number;
  }> {
    const committedAt = performance.now();
    const deadline = committedAt + COLLECT_TIMEOUT_MS;
    const saidAt = (instance: string) => this.received.get(`${instance} ${id} ${revision}`);
    const isSilent = (instance: string) => saidAt(instance) === undefined;
    for (;;) {
      const instances = await this.findLiveInstances();
      // Those that say so while others are waited for need no query.
      while (
        instances.some(isSilent) &&
        performance.now() < deadline &&
        (await this.hears(deadline))
      );
      const silent = instances.filter(isSilent).length;
      if (silent === 0 || performance.now() >= deadline) {
        const times = instances.map((instance) => saidAt(instance) ?? committedAt);
        const completeAt = Math.max(committedAt, ...times);
        return { acknowledged: instances.length - silent, silent, completeAt };
      }
    }
  }

  close(): void {
    this.client.close();
  }

  private async hears(deadline: number): Promise<boolean> {
    const leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
    const timeoutMs = Math.min(POLL_INTERVAL_MS, leftMs);
    try {
      await once(this.news, SAID, { signal: AbortSignal.timeout(timeoutMs) });
      return true;
    } catch {
      return false;
    }
  }
}

/** Also what others have changed is said to everybody. */
function forgetBefore(received: Map<string, number>, time: number): void {
  for (const [payload, receivedAt] of received) {
    if (receivedAt >= time) return;
    received.delete(payload);
  }
}
