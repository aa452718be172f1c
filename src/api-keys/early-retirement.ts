import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { withoutArguments } from '../prisma/database-error.js';
import { type KeyChange, KeyChanges } from './key-changes.js';

const INTERVAL_MS = 10_000;

/**
 * Ends the grace period of a rotated key early, if its successor has been used and the key itself
 * has been idle for `retireAfterQuietSeconds`. Every instance checks these conditions every 10 s;
 * only the first update of a key has an effect.
 */
@Injectable()
export class EarlyRetirement implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(EarlyRetirement.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly changes: KeyChanges) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.run(), INTERVAL_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  async run(): Promise<void> {
    try {
      const retired = await this.changes.run('early-retirement', retireQuietKeys);
      for (const { id } of retired) {
        this.logger.log(`Ended the grace period of key ${id} early: its successor is in use`);
      }
    } catch (error) {
      this.logger.debug(withoutArguments(error));
    }
  }
}

async function retireQuietKeys({ prisma, now }: KeyChange): Promise<{ id: string }[]> {
  return prisma.$queryRaw`
    WITH quiet AS (
      SELECT old.id
      FROM api_keys AS old
      JOIN api_keys AS successor ON successor.predecessor_id = old.id
      JOIN api_key_uses AS successor_use ON successor_use.key_id = successor.id
      WHERE old.revoked_at IS NULL AND old.retires_at > ${now}
        AND greatest(old.rotated_at, (SELECT last_used_at FROM api_key_uses WHERE key_id = old.id))
            < ${now}::timestamptz - old.retire_after_quiet_seconds * interval '1 second'
      -- All changes lock keys in ascending order of id, which prevents deadlocks.
      ORDER BY old.id FOR UPDATE OF old
    )
    UPDATE api_keys AS old SET retires_at = ${now} FROM quiet WHERE old.id = quiet.id
    RETURNING old.id`;
}
