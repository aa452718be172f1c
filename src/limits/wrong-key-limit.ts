import { FailedAuthLimit } from '@latchkey/limits/failed-auth-limit';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';
import { QuotaPolicy } from './quota-policy.js';

const WINDOW_SECONDS = 60;

/** Limits the requests with a wrong key that one client network sends in any 60 s. */
@Injectable()
export class WrongKeyLimit {
  private readonly isOn: boolean;
  private readonly policy: QuotaPolicy;
  private readonly failures: FailedAuthLimit;

  constructor(config: ConfigService<Environment, true>) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    const quota = config.get('SOURCE_FAILURE_LIMIT', { infer: true });
    this.policy = new QuotaPolicy('failures', quota, WINDOW_SECONDS);
    this.failures = new FailedAuthLimit(quota);
  }

  /** Counts a request with a wrong key. @throws ProblemException `TOO_MANY_FAILURES` */
  count(address: string): void {
    const refusal = this.isOn ? this.failures.count(address) : undefined;
    if (refusal === undefined) return;
    const headers = this.policy.refusalHeaders(refusal.retryAfterMs);
    throw new ProblemException('TOO_MANY_FAILURES', {}, headers);
  }
}
