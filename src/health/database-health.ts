import { Injectable, Logger } from '@nestjs/common';
import { ConnectionError } from '../prisma/connection-error.js';
import { withoutArguments } from '../prisma/database-error.js';
import { OUTDATED_SCHEMA, isSchemaOutdated } from '../prisma/outdated-schema.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { SchemaCheck } from './schema-check.js';

// Health is public: the database is queried this rarely, however often health is requested.
const FRESH_MS = 250;

/** Checks whether the database is available. */
@Injectable()
export class DatabaseHealth {
  private latest: Promise<boolean> | undefined;
  private askedAt = 0;
  private wasUp: boolean | undefined;
  private readonly logger = new Logger(DatabaseHealth.name);

  constructor(
    private readonly prisma: PrismaService,
    private readonly schema: SchemaCheck,
  ) {}

  async isUp(): Promise<boolean> {
    if (this.latest === undefined || performance.now() - this.askedAt > FRESH_MS) {
      this.askedAt = performance.now();
      this.latest = this.ask();
    }
    return this.latest;
  }

  // A query, since Prisma's $connect() succeeds without a database: prisma/orm#28959.
  private async ask(): Promise<boolean> {
    try {
      await this.prisma.$queryRaw`SELECT 1`;
      await this.schema.pass();
      this.report(true);
      return true;
    } catch (error) {
      this.report(false, error);
      return false;
    }
  }

  private report(isUp: boolean, error?: unknown): void {
    if (isUp === this.wasUp) return;
    this.wasUp = isUp;
    if (isUp) this.logger.log('Database available');
    // `DatabaseUrls` has logged the cause of a failed connection.
    else if (!(error instanceof ConnectionError)) {
      this.logger.error(isSchemaOutdated(error) ? OUTDATED_SCHEMA : withoutArguments(error));
    }
  }
}
