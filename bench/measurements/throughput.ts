import type { BenchRun } from '../bench-run.js';
import { type LoadResult, p50sOf, p99sOf, ratesOf } from '../load/load.js';
import type { PeerServer } from '../peer-server.js';
import { LATCHKEY, LATCHKEY_LEAN, PEERS, type Peer } from '../peers.js';
import { RATIOS } from '../ratios.js';
import { barChart } from '../report/bar-chart.js';
import { describeRounds, formatCount, formatDecimal, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound, spreadOf } from '../statistics.js';
import type { Measurement } from './measurement.js';

/** The result of a peer in one round. */
export interface Throughput extends LoadResult {
  /**
   * The CPU time of the server per request. It varies less than the elapsed time if other
   * programs run.
   */
  readonly cpuMicrosecondsPerRequest: number;
}

export type Throughputs = ReadonlyMap<Peer, readonly Throughput[]>;

export const throughput: Measurement = {
  name: 'throughput',
  peers: ({ peers }) => choosePeers(peers),
  async run(run) {
    const results = await measureThroughput(run, choosePeers(run.options.peers));
    const { connections, users, rounds, seconds } = run.options;
    return {
      text: [
        `${connections} connections, ${formatCount(users)} users, requests per second:`,
        rateTable(results),
        'Ratios of results from the same round. The goals are this project’s own.',
        ratioTable(results),
      ].join('\n\n'),
      conditions: describeRounds(rounds, seconds),
      chart: chartOf(results, `Requests per second on one core, ${connections} connections`),
    };
  },
};

/** Measures the throughput of each peer, in a new process for each round. */
export async function measureThroughput(
  run: BenchRun,
  peers: readonly Peer[],
): Promise<Throughputs> {
  const database = await run.database();
  const subjects = peers.map((peer) => ({ peer, database }));
  const results = await run.peersInTurns(subjects, async (server) => {
    await run.warmUp(server);
    return measureWarm(run, server);
  });
  return new Map(peers.map((peer, index) => [peer, results[index] ?? []]));
}

/** Measures warm servers in turns of 1 s, without restarts, which would take longer than a turn. */
export async function measureTogether(
  run: BenchRun,
  servers: readonly PeerServer[],
): Promise<Throughputs> {
  const turns = servers.map((server) => ({
    name: server.peer.name,
    measure: () => measureWarm(run, server, { seconds: 1 }),
  }));
  const results = await run.inTurns(turns, run.options.rounds * run.options.seconds);
  return new Map(servers.map(({ peer }, index) => [peer, results[index] ?? []]));
}

export async function measureWarm(
  run: BenchRun,
  server: PeerServer,
  settings?: Parameters<BenchRun['load']>[1],
): Promise<Throughput> {
  const before = await server.cpuMicroseconds();
  const result = await run.load(server, settings);
  const spent = (await server.cpuMicroseconds()) - before;
  return { ...result, cpuMicrosecondsPerRequest: spent / result.requests };
}

export function cpuTimesOf(results: readonly Throughput[] = []): number[] {
  return results.map(({ cpuMicrosecondsPerRequest }) => cpuMicrosecondsPerRequest);
}

function choosePeers(names: readonly string[] | undefined): readonly Peer[] {
  if (names === undefined) return PEERS;
  return names.map((name) => {
    const peer = PEERS.find((candidate) => candidate.name === name);
    if (peer !== undefined) return peer;
    const known = PEERS.map((each) => each.name).join(', ');
    throw new TypeError(`There is no peer ${name}. The peers are ${known}.`);
  });
}

function rateTable(results: Throughputs): string {
  const rows = [...results].map(([peer, rounds]) => [
    peer.title,
    formatSpread(ratesOf(rounds), formatCount),
    formatDecimal(medianOf(cpuTimesOf(rounds))),
    formatDecimal(medianOf(p50sOf(rounds))),
    formatDecimal(medianOf(p99sOf(rounds))),
    formatCount(rounds.reduce((sum, { errors }) => sum + errors, 0)),
  ]);
  return markdownTable([
    ['', 'requests/s', 'CPU, µs/request', 'p50, ms', 'p99, ms', 'errors'],
    ...rows,
  ]);
}

function ratioTable(results: Throughputs): string {
  const rows = RATIOS.flatMap((ratio) => {
    const rounds = ratiosByRound(ratesOf(results.get(ratio.of)), ratesOf(results.get(ratio.to)));
    if (rounds.length === 0) return [];
    const goal = ratio.goal === undefined ? '' : `≥ ${ratio.goal}`;
    return [[`${ratio.of.title} ÷ ${ratio.to.title}`, formatSpread(rounds), goal]];
  });
  return markdownTable([['', 'ratio', 'goal'], ...rows]);
}

function chartOf(results: Throughputs, title: string): string {
  const bars = [...results].map(([peer, rounds]) => ({
    label: peer.title,
    isOurs: peer === LATCHKEY || peer === LATCHKEY_LEAN,
    spread: spreadOf(ratesOf(rounds)),
  }));
  return barChart(
    title,
    bars.toSorted((a, b) => b.spread.median - a.spread.median),
  );
}
