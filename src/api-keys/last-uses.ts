import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';

const FLUSH_INTERVAL_MS = 5000;
const MAX_ROWS_A_STATEMENT = 1000;

/** When, from where and by which client a key was last used. */
export interface LastUse {
  readonly at: Date;
  /** The caller's address. */
  readonly source: string;
  readonly client: string | null;
}

/** Remembers the last use of each key and writes it down every five seconds: never a write for a request. */
@Injectable()
export class LastUses implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(LastUses.name);
  private unwritten = new Map<string, LastUse>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly prisma: PrismaService) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  record(keyId: string, source: string, client: string | null): void {
    this.unwritten.set(keyId, { at: new Date(), source, client });
  }

  /** Of the keys that were ever used. What this process has not written yet is not among them. */
  async find(keyIds: readonly string[]): Promise<Map<string, LastUse>> {
    const rows = await this.prisma.apiKeyUse.findMany({ where: { keyId: { in: [...keyIds] } } });
    return new Map(
      rows.map(({ keyId, lastUsedAt, source, clientName }) => [
        keyId,
        { at: lastUsedAt, source, client: clientName },
      ]),
    );
  }

  /** Writes down what has not been written. What can't be is kept for the next time. */
  async flush(): Promise<void> {
    const uses = [...this.unwritten];
    this.unwritten = new Map();
    try {
      for (let from = 0; from < uses.length; from += MAX_ROWS_A_STATEMENT) {
        await this.write(uses.slice(from, from + MAX_ROWS_A_STATEMENT));
      }
    } catch (error) {
      this.unwritten = new Map([...uses, ...this.unwritten]);
      this.logger.warn(withoutArguments(error));
    }
  }

  private async write(uses: [keyId: string, use: LastUse][]): Promise<void> {
    const ids = uses.map(([keyId]) => keyId);
    const times = uses.map(([, { at }]) => at);
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
