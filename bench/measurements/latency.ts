import type { BenchRun } from '../bench-run.js';
import { type LoadResult, p50sOf, p99sOf } from '../load/load.js';
import type { PeerServer } from '../peer-server.js';
import { FASTIFY_PG, LATCHKEY, LATCHKEY_LEAN, type Peer } from '../peers.js';
import { describeRounds, formatDecimal, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';

const CONNECTIONS = [1, 16, 64, 256];
const COMPARED = [FASTIFY_PG, LATCHKEY, LATCHKEY_LEAN];

/** The latency if each connection waits for the response before it sends its next request. */
export const latency: Measurement = {
  name: 'latency',
  peers: () => COMPARED,
  async run(run) {
    const results = await run.withWarmServers(COMPARED, async (servers) => {
      const byConnections: LoadResult[][][] = [];
      for (const connections of CONNECTIONS)
        byConnections.push(await measureInTurns(run, servers, connections));
      return byConnections;
    });
    const { rounds, seconds } = run.options;
    return { text: latencyTable(results), conditions: describeRounds(rounds, seconds) };
  },
};

/**
 * Alternates between servers that all keep running. Compared results are only seconds apart, so
 * other work on the machine affects all servers equally.
 */
function measureInTurns(
  run: BenchRun,
  servers: readonly PeerServer[],
  connections: number,
): Promise<LoadResult[][]> {
  const turns = servers.map((server) => ({
    name: `${server.peer.name}, ${connections} connections`,
    measure: () => run.load(server, { connections }),
  }));
  return run.inTurns(turns);
}

/** @param results by number of connections, server and round */
function latencyTable(results: readonly LoadResult[][][]): string {
  const rows = CONNECTIONS.flatMap((connections, index) =>
    COMPARED.map((peer, position) =>
      latencyRow(connections, peer, results[index]?.[position] ?? [], results[index]?.[0] ?? []),
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
