import { PEERS } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import type { Measurement } from './measurement.js';

/**
 * The time from the start of a process to its first correct response, which needs a database
 * connection.
 */
export const coldStart: Measurement = {
  name: 'cold-start',
  peers: () => PEERS,
  async run(run) {
    const database = await run.database();
    const subjects = PEERS.map((peer) => ({ peer, database }));
    const results = await run.peersInTurns(subjects, async (server) => server.readyAfterMs);
    const rows = PEERS.map(({ title }, index) => [
      title,
      formatSpread(results[index] ?? [], formatCount),
    ]);
    const text = markdownTable([['', 'ms to the first response'], ...rows]);
    return { text, conditions: describeRounds(run.options.rounds) };
  },
};
