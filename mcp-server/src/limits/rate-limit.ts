import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Environment } from '../config/environment.js';

const WINDOW_SECONDS = 60;

/** Counts what callers do in a minute. Each process counts for itself. */
@Injectable()
export class RateLimit {
  private readonly limiter: RateLimiterMemory;

  constructor(config: ConfigService<Environment, true>) {
    const points = config.get('MCP_RATE_LIMIT', { infer: true });
    this.limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  }

  /** Counts one for `caller`; says after how many seconds it may go on if that was one too many. */
  async consume(caller: string): Promise<number | undefined> {
    try {
      await this.limiter.consume(caller);
      return undefined;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return Math.ceil(refusal.msBeforeNext / 1000);
    }
  }
}
