import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { type TokenFault, TokenFailures } from '../limits/token-failures.js';

const FAULTS: readonly TokenFault[] = ['malformed', 'expired', 'signature', 'claims'];

/** Counts refused access tokens. */
@Injectable()
export class TokenFailureMetrics implements OnModuleInit {
  private readonly failures;

  constructor(
    private readonly tokenFailures: TokenFailures,
    registry: Registry,
  ) {
    this.failures = new Counter({
      name: 'latchkey_mcp_token_failures_total',
      help: 'Access tokens that were refused, by fault.',
      labelNames: ['fault'] as const,
      registers: [registry],
    });
    // So that `rate` sees the first failure of each kind.
    for (const fault of FAULTS) this.failures.inc({ fault }, 0);
  }

  onModuleInit(): void {
    this.tokenFailures.observe((fault) => this.failures.inc({ fault }));
  }
}
