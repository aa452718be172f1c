import { Injectable } from '@nestjs/common';
import { ProblemException } from '../problems/problem.js';
import { PrismaService } from '../prisma/prisma.service.js';
import type { Usage, UsageQuery } from './usage.schemas.js';

type UsageOfHour = Usage['hours'][number];

/** Reads the usage of keys, summed over all processes. */
@Injectable()
export class UsageService {
  constructor(private readonly prisma: PrismaService) {}

  /** @throws ProblemException `API_KEY_NOT_FOUND` */
  async ofIssuedKey(id: string, query: UsageQuery): Promise<Usage> {
    const known = await this.prisma.apiKey.findUnique({ where: { id }, select: { id: true } });
    if (known === null) throw new ProblemException('API_KEY_NOT_FOUND');
    return this.of(id, query);
  }

  /** Returns the usage of a key, or of requests without a known key (`none` as the key id). */
  async of(keyId: string, { from, to }: UsageQuery): Promise<Usage> {
    const rows = await this.prisma.$queryRaw<(Omit<UsageOfHour, 'hour'> & { hour: Date })[]>`
      SELECT hour, route, outcome, sum(requests)::float8 AS requests FROM api_key_usage
      WHERE key_id = ${keyId} AND hour >= ${from} AND hour < ${to}
      GROUP BY hour, route, outcome ORDER BY hour, route, outcome`;
    const hours = rows.map(({ hour, route, outcome, requests }) => ({
      hour: hour.toISOString(),
      route,
      outcome,
      requests,
    }));
    return {
      keyId,
      from: from.toISOString(),
      to: to.toISOString(),
      requests: hours.reduce((sum, { requests }) => sum + requests, 0),
      outcomes: totals(hours),
      hours,
    };
  }
}

function totals(hours: readonly UsageOfHour[]): Usage['outcomes'] {
  const byOutcome = new Map<string, number>();
  for (const { outcome, requests } of hours) {
    byOutcome.set(outcome, (byOutcome.get(outcome) ?? 0) + requests);
  }
  const outcomes = [...byOutcome].map(([outcome, requests]) => ({ outcome, requests }));
  return outcomes.toSorted((a, b) => b.requests - a.requests);
}
