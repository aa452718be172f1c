import { performance } from 'node:perf_hooks';
import { readVersion } from '@latchkey/environment/read-version';
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { addGauge } from './read-metrics.js';

/**
 * Creates a registry with the metrics that every process has: build, memory, CPU, garbage
 * collection, event loop. If metrics are disabled, the registry is empty and costs nothing.
 * @param manifest the package.json whose version is exported
 */
export function createRegistry(isEnabled: boolean, manifest: URL): Registry {
  const registry = new Registry();
  if (!isEnabled) return registry;
  collectDefaultMetrics({ register: registry });
  const build = new Gauge({
    name: 'latchkey_build_info',
    help: 'Always 1; the labels are the versions of Latchkey and Node.',
    labelNames: ['version', 'node'],
    registers: [registry],
  });
  build.set({ version: readVersion(manifest), node: process.versions.node }, 1);
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
