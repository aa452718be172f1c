import type { BenchRun } from '../bench-run.js';
import { type LoadResult, type LoadTarget, p50sOf, p99sOf } from '../load/load.js';
import type { Options } from '../options.js';
import { FASTIFY_PG, LATCHKEY, LATCHKEY_LEAN, type Peer } from '../peers.js';
import { describeRounds, formatDecimal, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';

const CONNECTIONS = [1, 16, 64, 256];
const COMPARED = [FASTIFY_PG, LATCHKEY, LATCHKEY_LEAN];

/** How long requests take when each connection sends the next one as soon as it has its answer. */
export const latency: Measurement = {
  name: 'latency',
  peers: () => COMPARED,
  async run(run) {
    const database = await run.database();
    const subjects = COMPARED.map((peer) => ({ peer, database }));
    const results = await run.peersInTurns(subjects, async (server) => {
      await run.warmUp(server);
      const rounds: LoadResult[] = [];
      for (const connections of CONNECTIONS) rounds.push(await measure(run, server, connections));
      return rounds;
    });
    const conditions = describeRounds(run.options.rounds, secondsOf(run.options));
    return { text: latencyTable(results), conditions };
  },
};

function measure(run: BenchRun, server: LoadTarget, connections: number): Promise<LoadResult> {
  return run.load(server, { connections, seconds: secondsOf(run.options) });
}

/** There are many numbers of connections to get through. */
function secondsOf({ seconds }: Options): number {
  return Math.ceil(seconds / 2);
}

function latencyTable(results: readonly LoadResult[][][]): string {
  const [base = []] = results;
  const rows = CONNECTIONS.flatMap((connections, index) =>
    COMPARED.map((peer, position) =>
      latencyRow(connections, peer, at(results[position] ?? [], index), at(base, index)),
    ),
  );
  const to = FASTIFY_PG.name;
  return markdownTable([
    ['', 'connections', 'p50, ms', 'p99, ms', `p50 ÷ ${to}’s`, `p99 ÷ ${to}’s`],
    ...rows,
  ]);
}

function latencyRow(
  connections: number,
  peer: Peer,
  rounds: readonly LoadResult[],
  base: readonly LoadResult[],
): string[] {
  return [
    peer.title,
    String(connections),
    formatDecimal(medianOf(p50sOf(rounds))),
    formatDecimal(medianOf(p99sOf(rounds))),
    formatSpread(ratiosByRound(p50sOf(rounds), p50sOf(base))),
    formatSpread(ratiosByRound(p99sOf(rounds), p99sOf(base))),
  ];
}

/** The results of all rounds at one number of connections. */
function at(rounds: readonly LoadResult[][], index: number): LoadResult[] {
  return rounds.flatMap((round) => round[index] ?? []);
}
