import type { BenchRun, Subject } from '../bench-run.js';
import { p50sOf, p99sOf, ratesOf } from '../load/load.js';
import type { PeerServer } from '../peer-server.js';
import { FASTIFY_PG, LATCHKEY, type Peer } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { type Throughput, measureWarm } from './throughput.js';

// Long compared with a response, so that requests arrive at random. Short enough for hundreds of
// connections: Node accepts one per event-loop tick, and thousands would distort the first
// responses.
const PAUSE_MS = 50;

/** The latency of requests that arrive at random at half the capacity of a server. */
export const halfLoad: Measurement = {
  name: 'half-load',
  peers: () => [FASTIFY_PG, LATCHKEY],
  async run(run) {
    const database = await run.database();
    const [base, ours] = [FASTIFY_PG, LATCHKEY].map((peer) => ({ peer, database }));
    if (base === undefined || ours === undefined) throw new Error('Nothing is compared.');
    const [baseRate, ourRate] = [await halfOf(run, base), await halfOf(run, ours)];
    const cases = [
      { ...base, rate: baseRate, load: 'half of its capacity' },
      { ...ours, rate: ourRate, load: 'half of its capacity' },
      { ...ours, rate: baseRate, load: `as many as ${base.peer.name}` },
    ];
    const turns = cases.map(({ rate, load, ...subject }) => ({
      name: `${subject.peer.name}, ${load}`,
      measure: () => run.withServer(subject, (server) => atRate(run, server, rate)),
    }));
    const results = await run.inTurns(turns);
    const rows = cases.map(({ peer, load }, index) => row(peer, load, results[index] ?? []));
    const text = markdownTable([
      ['', 'requests/s', 'CPU', 'p50, ms', 'p99, ms', 'p99.9, ms'],
      ...rows,
    ]);
    return { text, conditions: describeRounds(run.options.rounds, run.options.seconds) };
  },
};

async function halfOf(run: BenchRun, subject: Subject): Promise<number> {
  run.progress(`capacity of ${subject.peer.name}`);
  return run.withServer(subject, async (server) => {
    await run.warmUp(server);
    return (await run.load(server)).requestsPerSecond / 2;
  });
}

async function atRate(run: BenchRun, server: PeerServer, rate: number): Promise<Throughput> {
  await run.warmUp(server);
  const connections = Math.ceil((rate * PAUSE_MS) / 1000);
  return measureWarm(run, server, { connections, pauseMs: PAUSE_MS });
}

function row({ title }: Peer, load: string, rounds: readonly Throughput[]): string[] {
  return [
    `${title}, ${load}`,
    formatCount(medianOf(ratesOf(rounds))),
    // Half the request rate costs more than half the CPU time: the fewer requests share an
    // event-loop tick, the more each costs.
    `${formatCount(medianOf(rounds.map(busyPercent)))} %`,
    formatSpread(p50sOf(rounds)),
    formatSpread(p99sOf(rounds)),
    formatSpread(rounds.map(({ p999Ms }) => p999Ms)),
  ];
}

/** The utilization of the server's core in percent. */
function busyPercent({ requestsPerSecond, cpuMicrosecondsPerRequest }: Throughput): number {
  return (requestsPerSecond * cpuMicrosecondsPerRequest) / 10_000;
}
