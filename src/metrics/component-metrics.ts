import { HttpFront } from '@latchkey/http-front/http-front';
import { addCounterBy, addGauge, addGaugeBy } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { ALERT_RULES } from '../alerts/alert.js';
import { Alerts } from '../alerts/alerts.js';
import { Deliveries } from '../alerts/deliveries.js';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import { IssuedKeyCache } from '../api-keys/issued-key-cache.js';
import { SharedStore } from '../limits/shared-store.js';
import { WriteSlots } from '../limits/write-slots.js';
import { DatabasePool } from '../prisma/database-pool.js';

/** Metrics of the backend's components, read at each scrape. */
@Injectable()
export class ComponentMetrics {
  constructor(
    registry: Registry,
    front: HttpFront,
    store: SharedStore,
    writes: WriteSlots,
    keySync: KeySync,
    keys: IssuedKeyCache,
    pool: DatabasePool,
    alerts: Alerts,
    deliveries: Deliveries,
  ) {
    const gauges: readonly (readonly [name: string, help: string, read: () => number])[] = [
      [
        'latchkey_http_requests_in_flight',
        'Requests that the process is handling. Queued requests do not count.',
        () => front.requests.count,
      ],
      [
        'latchkey_http_requests_in_flight_limit',
        'Limit of requests in flight. Requests of slow clients and waiting user writes do not count.',
        () => front.loadShedder?.limit ?? 0,
      ],
      [
        'latchkey_http_requests_waiting',
        'Requests that are queued because the limit of requests in flight is reached.',
        () => front.loadShedder?.queued ?? 0,
      ],
      [
        'latchkey_user_writes_waiting',
        'Requests in flight that wait for a database connection before they change users.',
        () => writes.waiting,
      ],
      [
        'latchkey_limit_store_degraded',
        '1 if Redis is unavailable, so that each process enforces limits by itself; otherwise 0.',
        () => Number(store.sharing === 'degraded'),
      ],
      [
        'latchkey_key_sync_lag_seconds',
        'Time since the keys in memory were last known to match the database.',
        () => keySync.lagMs / 1000,
      ],
      [
        'latchkey_key_sync_fresh',
        '1 if the lag of the key sync is below 5 s; otherwise 0, and the process refuses issued keys.',
        () => Number(keySync.isFresh()),
      ],
      [
        'latchkey_issued_keys',
        'Issued keys in memory, including expired and revoked ones.',
        () => keys.fingerprint.count,
      ],
      [
        'latchkey_database_pool_waiting',
        'Queries that wait for a connection of the database pool.',
        () => pool.waitingCount,
      ],
      [
        'latchkey_database_pool_max_connections',
        'Maximum number of open connections of the pool.',
        () => pool.options.max,
      ],
      [
        'latchkey_alert_outbox_pending',
        'Alerts that still wait for delivery, counted over all backend processes.',
        () => deliveries.pending,
      ],
    ];
    for (const [name, help, read] of gauges) addGauge(registry, { name, help }, read);
    const shed = new Counter({
      name: 'latchkey_http_requests_shed_total',
      help: 'Requests refused with 503 because the queue of requests was too long.',
      registers: [registry],
      collect() {
        shed.reset();
        shed.inc(front.loadShedder?.refused ?? 0);
      },
    });
    addGaugeBy(
      registry,
      'state',
      {
        name: 'latchkey_database_pool_connections',
        help: 'Open connections of the pool, by state: idle or used.',
      },
      () => ({ idle: pool.idleCount, used: pool.totalCount - pool.idleCount }),
    );
    addGaugeBy(
      registry,
      'rule',
      {
        name: 'latchkey_alert_firing',
        help: 'Open incidents, counted over all backend processes, by alert rule.',
      },
      () => Object.fromEntries(ALERT_RULES.map((rule) => [rule, alerts.countOpen(rule)])),
    );
    addCounterBy(
      registry,
      'rule',
      {
        name: 'latchkey_alerts_suppressed_total',
        help: 'Alerts that were not raised because too many incidents of the same rule were open.',
      },
      () => alerts.suppressed,
    );
    addCounterBy(
      registry,
      'result',
      {
        name: 'latchkey_alert_deliveries_total',
        help: 'Deliveries of alerts: delivered and failed count attempts, given-up counts alerts.',
      },
      () => deliveries.counts,
    );
  }
}
