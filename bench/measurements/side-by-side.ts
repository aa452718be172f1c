import type { BenchRun, Subject } from '../bench-run.js';
import { type Throughput, measureWarm } from './throughput.js';

type Pair = readonly [Throughput, Throughput];

/**
 * Measures two nearly equal servers concurrently on the same core, because the machine's speed
 * changes over time by more than the difference between the servers. The process that starts first
 * is 1 % slower, so the order alternates.
 */
export function sideBySide(run: BenchRun, one: Subject, other: Subject): () => Promise<Pair> {
  let isSwapped = true;
  return async () => {
    isSwapped = !isSwapped;
    if (!isSwapped) return measureBoth(run, one, other);
    const [second, first] = await measureBoth(run, other, one);
    return [first, second];
  };
}

function measureBoth(run: BenchRun, one: Subject, other: Subject): Promise<Pair> {
  const connections = run.options.connections / 2;
  return run.withServer(one, (first) =>
    run.withServer(other, async (second) => {
      for (const server of [first, second]) await run.warmUp(server, connections);
      return Promise.all([
        measureWarm(run, first, { connections }),
        measureWarm(run, second, { connections }),
      ]);
    }),
  );
}
