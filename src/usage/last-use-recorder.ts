import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { KEY_REFUSALS, type RequestLabels } from '../requests/request-event.js';
import { RequestEvents } from '../requests/request-events.js';

const FLUSH_INTERVAL_MS = 5000;
const MAX_ROWS_PER_STATEMENT = 1000;
// A refused request is no use of the key.
const REFUSALS: ReadonlySet<string | null> = new Set([...KEY_REFUSALS, 'unverifiable', null]);

interface Use {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly source: string;
  readonly client: string | null;
}

/** Records the last use of each key every 5 s: no request writes to the database. */
@Injectable()
export class LastUseRecorder implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(LastUseRecorder.name);
  private unwritten = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly prisma: PrismaService,
    private readonly events: RequestEvents,
    /** The database's clock, by which idle keys are found. */
    private readonly keySync: KeySync,
  ) {}

  onModuleInit(): void {
    this.events.observe((labels) => this.record(labels));
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  /** Writes the uses since the last flush. If that fails, the next flush retries. */
  async flush(): Promise<void> {
    // In one order, so that two processes do not deadlock.
    const uses = [...this.unwritten].toSorted(([one], [other]) => (one < other ? -1 : 1));
    this.unwritten = new Map();
    try {
      for (let from = 0; from < uses.length; from += MAX_ROWS_PER_STATEMENT) {
        await this.write(uses.slice(from, from + MAX_ROWS_PER_STATEMENT));
      }
    } catch (error) {
      this.unwritten = new Map([...uses, ...this.unwritten]);
      this.logger.warn(withoutArguments(error));
    }
  }

  private record({ keyId, outcome, source, client }: RequestLabels): void {
    if (keyId === null || REFUSALS.has(outcome)) return;
    this.unwritten.set(keyId, { at: this.keySync.now(), source, client });
  }

  private async write(uses: [keyId: string, use: Use][]): Promise<void> {
    const ids = uses.map(([keyId]) => keyId);
    const times = uses.map(([, { at }]) => new Date(at));
    const sources = uses.map(([, { source }]) => source);
    const clients = uses.map(([, { client }]) => client);
    await this.prisma.$executeRaw`
      INSERT INTO api_key_uses (key_id, last_used_at, source, client_name)
      SELECT * FROM unnest(${ids}::text[], ${times}::timestamptz[], ${sources}::text[], ${clients}::text[])
      ON CONFLICT (key_id) DO UPDATE
        SET last_used_at = excluded.last_used_at, source = excluded.source, client_name = excluded.client_name
        WHERE excluded.last_used_at > api_key_uses.last_used_at`;
  }
}
