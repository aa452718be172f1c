import type { BenchRun } from './bench-run.js';
import { ratesOf } from './load/load.js';
import { type Throughputs, cpuTimesOf, measureWarm } from './measurements/throughput.js';
import type { PeerServer } from './peer-server.js';
import { report } from './progress.js';
import { RECORDED, TOLERATED_SHARE } from './ratios.js';
import { formatDecimal, formatSpread } from './report/format.js';
import { medianOf, ratiosByRound } from './statistics.js';

type RecordedRatios = (typeof RECORDED)[keyof typeof RECORDED];

/**
 * Prints the ratios of a short run; answers with those that are far below what was recorded, twice. Every server runs, and is
 * warmed up, once: most of the time of a full run goes there.
 */
export async function compareWithRecorded(run: BenchRun): Promise<string[]> {
  const ratios = RECORDED[run.generator.name];
  const database = await run.database();
  const peers = new Set(ratios.flatMap(({ of, to }) => [of, to]));
  const subjects = Array.from(peers, (peer) => ({ peer, database }));
  return run.withServers(subjects, async (servers) => {
    for (const server of servers) {
      run.progress(`warm up ${server.peer.name}`);
      await run.warmUp(server);
    }
    const problems = compare(ratios, await measureTogether(run, servers));
    if (problems.length === 0) return problems;
    report(`once more: ${problems.join(' ')}`);
    return compare(ratios, await measureTogether(run, servers));
  });
}

async function measureTogether(
  run: BenchRun,
  servers: readonly PeerServer[],
): Promise<Throughputs> {
  const turns = servers.map((server) => ({
    name: server.peer.name,
    measure: () => measureWarm(run, server),
  }));
  const results = await run.inTurns(turns);
  return new Map(servers.map(({ peer }, index) => [peer, results[index] ?? []]));
}

function compare(ratios: RecordedRatios, results: Throughputs): string[] {
  return ratios.flatMap(({ of, to, recorded }) => {
    const [ours, theirs] = [results.get(of), results.get(to)];
    const rates = ratiosByRound(ratesOf(ours), ratesOf(theirs));
    const perCpuSecond = ratiosByRound(cpuTimesOf(theirs), cpuTimesOf(ours));
    const least = recorded * TOLERATED_SHARE;
    const name = `${of.name} ÷ ${to.name}`;
    console.log(`${name}: requests/s ${formatSpread(rates)}`);
    console.log(`  requests/CPU second ${formatSpread(perCpuSecond)}, recorded ${recorded}`);
    return medianOf(perCpuSecond) < least ? [`${name} is below ${formatDecimal(least)}.`] : [];
  });
}
