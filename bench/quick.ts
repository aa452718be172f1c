import type { BenchRun } from './bench-run.js';
import { ratesOf } from './load/load.js';
import { type Throughputs, cpuTimesOf, measureTogether } from './measurements/throughput.js';
import { report } from './progress.js';
import { RECORDED, TOLERATED_SHARE } from './ratios.js';
import { formatDecimal, formatSpread } from './report/format.js';
import { medianOf, ratiosByRound } from './statistics.js';

type RecordedRatios = (typeof RECORDED)[keyof typeof RECORDED];

/**
 * Measures each ratio of `RECORDED` in a short run, and prints it. If a ratio is too low, repeats
 * the run once. Returns a message for each ratio that is too low in the last run.
 */
export async function compareWithRecorded(run: BenchRun): Promise<string[]> {
  const ratios = RECORDED[run.generator.name];
  const peers = new Set(ratios.flatMap(({ of, to }) => [of, to]));
  return run.withWarmServers([...peers], async (servers) => {
    const problems = compare(ratios, await measureTogether(run, servers));
    if (problems.length === 0) return problems;
    report(`measure again: ${problems.join(' ')}`);
    return compare(ratios, await measureTogether(run, servers));
  });
}

function compare(ratios: RecordedRatios, results: Throughputs): string[] {
  return ratios.flatMap(({ of, to, recorded }) => {
    const [ours, theirs] = [results.get(of), results.get(to)];
    const rates = ratiosByRound(ratesOf(ours), ratesOf(theirs));
    const perCpuSecond = ratiosByRound(cpuTimesOf(theirs), cpuTimesOf(ours));
    const lowestRatio = recorded * TOLERATED_SHARE;
    const name = `${of.name} ÷ ${to.name}`;
    console.log(`${name}: requests/s ${formatSpread(rates)}`);
    console.log(`  requests/CPU second ${formatSpread(perCpuSecond)}, recorded ${recorded}`);
    return medianOf(perCpuSecond) < lowestRatio
      ? [`${name} is below ${formatDecimal(lowestRatio)}.`]
      : [];
  });
}
