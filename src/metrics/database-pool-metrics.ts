import { addGauge, addGaugeBy } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { Registry } from 'prom-client';
import { DatabasePool } from '../prisma/database-pool.js';

const CONNECTIONS = {
  name: 'latchkey_database_pool_connections',
  help: 'Open connections of the pool.',
};
const WAITING = {
  name: 'latchkey_database_pool_waiting',
  help: 'Queries that wait for a connection of the pool.',
};
const MAXIMUM = {
  name: 'latchkey_database_pool_max_connections',
  help: 'Connections that the pool may open.',
};

/** Tells how the connections to the database are used. */
@Injectable()
export class DatabasePoolMetrics {
  constructor(pool: DatabasePool, registry: Registry) {
    addGaugeBy(registry, 'state', CONNECTIONS, () => ({
      idle: pool.idleCount,
      used: pool.totalCount - pool.idleCount,
    }));
    addGauge(registry, WAITING, () => pool.waitingCount);
    addGauge(registry, MAXIMUM, () => pool.options.max);
  }
}
