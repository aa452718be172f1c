import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { PrismaService } from '../prisma/prisma.service.js';

/** Checks at the first connection that the schema fits, and that the account is not the owner. */
@Injectable()
export class SchemaCheck implements OnApplicationBootstrap {
  private readonly logger = new Logger(SchemaCheck.name);
  private passed: Promise<void> | undefined;

  constructor(
    private readonly prisma: PrismaService,
    private readonly config: ConfigService<Environment, true>,
  ) {}

  // Not awaited, because the process starts without a database. Readiness reports a failure.
  onApplicationBootstrap(): void {
    this.pass().catch(() => undefined);
  }

  /** Resolves when the check has passed. @throws the error of its statement */
  async pass(): Promise<void> {
    this.passed ??= this.check().catch((error: unknown) => {
      this.passed = undefined;
      throw error;
    });
    return this.passed;
  }

  private async check(): Promise<void> {
    // Reads each column that the backend may read.
    await this.prisma.user.findFirst({ where: { id: '' }, omit: { updatedAt: true } });
    if (this.config.get('NODE_ENV', { infer: true }) !== 'production') return;
    const [account] = await this.prisma.$queryRaw<{ isOwner: boolean }[]>`
      SELECT pg_has_role(relowner, 'USAGE') AS "isOwner" FROM pg_class WHERE oid = to_regclass('users')`;
    if (account?.isOwner === true) {
      this.logger.warn(
        "DATABASE_URL uses the account of the tables' owner, who can change the audit trail: " +
          'make another account with node deploy/database/migrate.mjs',
      );
    }
  }
}
