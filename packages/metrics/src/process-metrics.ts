import { performance } from 'node:perf_hooks';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { addGauge } from './read-metrics.js';

/**
 * A registry with the metrics of every Node process: memory, CPU, garbage collection, and the event loop.
 * @param isEnabled whether metrics are collected; otherwise the registry is empty and costs nothing.
 */
export function createRegistry(isEnabled: boolean): Registry {
  const registry = new Registry();
  if (!isEnabled) return registry;
  collectDefaultMetrics({ register: registry });
  let since = performance.eventLoopUtilization();
  const description = {
    name: 'latchkey_event_loop_utilization',
    help: 'Fraction of the time since the last scrape in which the event loop was busy, 0 to 1.',
  };
  addGauge(registry, description, () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, since);
    since = now;
    return utilization;
  });
  return registry;
}
