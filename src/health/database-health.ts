import { Injectable, Logger } from '@nestjs/common';
import { ConnectionError } from '../prisma/connection-error.js';
import { withoutArguments } from '../prisma/database-error.js';
import { OUTDATED_SCHEMA, isSchemaOutdated } from '../prisma/outdated-schema.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { SchemaCheck } from './schema-check.js';

// Health is public: however often it is asked, the database is asked this rarely.
const FRESH_MS = 250;

/** Whether the database answers. */
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
    if (isUp) this.logger.log('The database answers');
    // The cause of a failure to connect is logged once, by `DatabaseUrls`.
    else if (!(error instanceof ConnectionError)) {
      this.logger.error(isSchemaOutdated(error) ? OUTDATED_SCHEMA : withoutArguments(error));
    }
  }
}
