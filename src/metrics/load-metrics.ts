import { Draining } from '@latchkey/http-front/draining';
import { addCounter, addGauge } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { Registry } from 'prom-client';
import { LoadShedding } from '../http/load-shedding.js';
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

/** Tells how much is asked at once, and what is refused because of it. */
@Injectable()
export class LoadMetrics {
  constructor(
    modules: ModuleRef,
    draining: Draining,
    store: SharedStore,
    writes: WriteSlots,
    registry: Registry,
  ) {
    // The application's own, which no module exports.
    const load = () => modules.get(LoadShedding, { strict: false });
    addGauge(registry, IN_FLIGHT, () => draining.inFlight);
    addGauge(registry, LIMIT, () => load().limit);
    addGauge(registry, WAITING, () => load().waiting);
    addCounter(registry, SHED, () => load().refused);
    addGauge(registry, WRITES_WAITING, () => writes.waiting);
    addGauge(registry, DEGRADED, () => Number(store.sharing === 'degraded'));
  }
}
