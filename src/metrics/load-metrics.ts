import { HttpFront } from '@latchkey/http-front/http-front';
import { addCounter, addGauge } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { Registry } from 'prom-client';
import { SharedStore } from '../limits/shared-store.js';
import { WriteSlots } from '../limits/write-slots.js';

const IN_FLIGHT = { name: 'latchkey_http_requests_in_flight', help: 'Requests in progress.' };
const LIMIT = {
  name: 'latchkey_http_requests_in_flight_limit',
  help: 'Requests that may be in progress; more wait, or are refused with 503.',
};
const WAITING = {
  name: 'latchkey_http_requests_waiting',
  help: 'Requests that wait until fewer are in progress.',
};
const SHED = {
  name: 'latchkey_http_requests_shed_total',
  help: 'Requests that were refused with 503 because too many waited.',
};
const WRITES_WAITING = {
  name: 'latchkey_user_writes_waiting',
  help: 'Writes of users that wait for a database connection.',
};
const DEGRADED = {
  name: 'latchkey_limit_store_degraded',
  help: 'Whether limits are counted by each process for itself because Redis is away.',
};

/** Reports the load of the server, and what load shedding refuses. */
@Injectable()
export class LoadMetrics {
  constructor(front: HttpFront, store: SharedStore, writes: WriteSlots, registry: Registry) {
    addGauge(registry, IN_FLIGHT, () => front.requests.count);
    addGauge(registry, LIMIT, () => front.loadShedder?.limit ?? 0);
    addGauge(registry, WAITING, () => front.loadShedder?.queued ?? 0);
    addCounter(registry, SHED, () => front.loadShedder?.refused ?? 0);
    addGauge(registry, WRITES_WAITING, () => writes.waiting);
    addGauge(registry, DEGRADED, () => Number(store.sharing === 'degraded'));
  }
}
