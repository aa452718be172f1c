import type { BenchRun } from '../bench-run.js';
import { p50sOf, p99sOf, ratesOf } from '../load/load.js';
import type { PeerServer } from '../peer-server.js';
import { FASTIFY_PG, LATCHKEY, LATCHKEY_LEAN } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { type Throughput, measureWarm } from './throughput.js';

// Each connection pauses before its next request. The pause is much longer than the response time,
// so requests arrive at random. An even longer pause would need thousands of connections. Opening
// them would delay the first responses, because Node accepts one connection per event-loop tick.
const PAUSE_MS = 50;
const COMPARED = [FASTIFY_PG, LATCHKEY_LEAN, LATCHKEY];

/** The latency of requests that arrive at random at half the capacity of a server. */
export const halfLoad: Measurement = {
  name: 'half-load',
  peers: () => COMPARED,
  run: (run) =>
    run.withWarmServers(COMPARED, async ([base, lean, ours]) => {
      if (!base || !lean || !ours) throw new Error('A server is missing.');
      const baseRate = await halfOf(run, base);
      const cases = [
        { server: base, rate: baseRate, load: 'half of its capacity' },
        { server: lean, rate: baseRate, load: `as many requests as ${base.peer.name}` },
        { server: ours, rate: baseRate, load: `as many requests as ${base.peer.name}` },
        { server: ours, rate: await halfOf(run, ours), load: 'half of its capacity' },
      ];
      const turns = cases.map(({ server, rate, load }) => ({
        name: `${server.peer.name}, ${load}`,
        measure: () => atRate(run, server, rate),
      }));
      const results = await run.inTurns(turns);
      const rows = cases.map(({ server, load }, index) =>
        row(`${server.peer.title}, ${load}`, results[index] ?? [], results[0] ?? []),
      );
      const headings = ['', 'requests/s', 'CPU', 'p50, ms', 'p99, ms', 'p99.9, ms'];
      const text = markdownTable([[...headings, `p99 ÷ ${base.peer.name}’s`], ...rows]);
      return { text, conditions: describeRounds(run.options.rounds, run.options.seconds) };
    }),
};

/** Half of the requests per second that a server can handle. */
async function halfOf(run: BenchRun, server: PeerServer): Promise<number> {
  run.progress(`capacity of ${server.peer.name}`);
  return (await run.load(server)).requestsPerSecond / 2;
}

function atRate(run: BenchRun, server: PeerServer, rate: number): Promise<Throughput> {
  const connections = Math.ceil((rate * PAUSE_MS) / 1000);
  return measureWarm(run, server, { connections, pauseMs: PAUSE_MS });
}

function row(title: string, rounds: readonly Throughput[], base: readonly Throughput[]): string[] {
  return [
    title,
    formatCount(medianOf(ratesOf(rounds))),
    // The utilization is above 50 %, because a request takes more CPU time at half load than at
    // full load: fewer requests share the cost of an event-loop tick.
    `${formatCount(medianOf(rounds.map(busyPercent)))} %`,
    formatSpread(p50sOf(rounds)),
    formatSpread(p99sOf(rounds)),
    formatSpread(rounds.map(({ p999Ms }) => p999Ms)),
    formatSpread(ratiosByRound(p99sOf(rounds), p99sOf(base))),
  ];
}

/** The utilization of the server's core in percent. */
function busyPercent({ requestsPerSecond, cpuMicrosecondsPerRequest }: Throughput): number {
  return (requestsPerSecond * cpuMicrosecondsPerRequest) / 10_000;
}
