import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { ConnectionError } from '../prisma/connection-error.js';
import { OUTDATED_SCHEMA, isSchemaOutdated, withoutArguments } from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';

// The result of a query is reused for this time, because anyone may call the health routes.
const MAX_AGE_MS = 250;

/**
 * Checks whether the database is available. Once per process, also checks the schema of the
 * database and the account in `DATABASE_URL`.
 */
@Injectable()
export class DatabaseHealth implements OnApplicationBootstrap {
  private latest: Promise<boolean> | undefined;
  private checkedAt = 0;
  private wasUp: boolean | undefined;
  private isSchemaChecked = false;
  private readonly logger = new Logger(DatabaseHealth.name);

  constructor(
    private readonly prisma: PrismaService,
    private readonly config: ConfigService<Environment, true>,
  ) {}

  // Not awaited, because the process must start even without a database.
  onApplicationBootstrap(): void {
    void this.isUp();
  }

  async isUp(): Promise<boolean> {
    if (this.latest === undefined || performance.now() - this.checkedAt > MAX_AGE_MS) {
      this.checkedAt = performance.now();
      this.latest = this.check();
    }
    return this.latest;
  }

  private async check(): Promise<boolean> {
    try {
      // A query, because Prisma's `$connect()` succeeds even without a database (prisma/orm#28959).
      await this.prisma.$queryRaw`SELECT 1`;
      if (!this.isSchemaChecked) await this.checkSchema();
      this.isSchemaChecked = true;
      this.report(true);
      return true;
    } catch (error) {
      this.report(false, error);
      return false;
    }
  }

  private async checkSchema(): Promise<void> {
    // Selects all columns that the backend may read, so the statement fails if one is missing.
    await this.prisma.user.findFirst({ where: { id: '' }, omit: { updatedAt: true } });
    if (this.config.get('NODE_ENV', { infer: true }) !== 'production') return;
    const [account] = await this.prisma.$queryRaw<{ isOwner: boolean }[]>`
      SELECT pg_has_role(relowner, 'USAGE') AS "isOwner" FROM pg_class WHERE oid = to_regclass('users')`;
    if (account?.isOwner === true) {
      this.logger.warn(
        "DATABASE_URL uses the account of the tables' owner, who can change the audit trail: " +
          'create an account for the backend with node deploy/database/migrate.mjs',
      );
    }
  }

  private report(isUp: boolean, error?: unknown): void {
    if (isUp === this.wasUp) return;
    this.wasUp = isUp;
    if (isUp) this.logger.log('Database available');
    // `DatabaseUrls` has already logged the cause of a failed connection.
    else if (!(error instanceof ConnectionError)) {
      this.logger.error(isSchemaOutdated(error) ? OUTDATED_SCHEMA : withoutArguments(error));
    }
  }
}
