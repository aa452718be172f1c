import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Histogram, Registry } from 'prom-client';
import { UserLookups } from '../users/user-lookups.js';

/** Counts how many look-ups of users share a statement. */
@Injectable()
export class LookupMetrics implements OnModuleInit {
  private readonly sizes;

  constructor(
    private readonly lookups: UserLookups,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    this.sizes = new Histogram({
      name: 'latchkey_user_lookup_batch_size',
      help: 'Look-ups of users that shared one statement.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers: [registry],
    });
  }

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    this.lookups.observeBatches((size) => this.sizes.observe(size));
  }
}
