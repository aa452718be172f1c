import { Injectable } from '@nestjs/common';
import { PrismaService } from '../prisma/prisma.service.js';

// Health is public: however often it is asked, the database is asked this rarely.
const FRESH_MS = 250;

/** Whether the database answers. */
@Injectable()
export class DatabaseHealth {
  private latest: Promise<boolean> | undefined;
  private askedAt = 0;

  constructor(private readonly prisma: PrismaService) {}

  async isUp(): Promise<boolean> {
    if (this.latest === undefined || performance.now() - this.askedAt > FRESH_MS) {
      this.askedAt = performance.now();
      this.latest = this.ask();
    }
    return this.latest;
  }

  // A query, since Prisma's $connect() succeeds without a database: prisma/orm#28959.
  private async ask(): Promise<boolean> {
    return this.prisma.$queryRaw`SELECT 1`.then(
      () => true,
      () => false,
    );
  }
}
