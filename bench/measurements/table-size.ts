import { LATCHKEY_LEAN } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';

const SIZES = [1000, 100_000, 1_000_000];

/** What a larger table of users costs. */
export const tableSize: Measurement = {
  name: 'table-size',
  peers: () => [LATCHKEY_LEAN],
  async run(run) {
    const subjects = [];
    for (const users of SIZES) {
      subjects.push({ peer: LATCHKEY_LEAN, database: await run.database(users) });
    }
    const results = await run.peersInTurns(subjects, async (server) => {
      await run.warmUp(server);
      return (await run.load(server)).requestsPerSecond;
    });
    const [smallest = []] = results;
    const rows = SIZES.map((users, index) => {
      const rates = results[index] ?? [];
      return [
        formatCount(users),
        formatSpread(rates, formatCount),
        formatSpread(ratiosByRound(rates, smallest)),
      ];
    });
    const to = `÷ ${formatCount(SIZES[0] ?? 0)} users`;
    const { rounds, seconds } = run.options;
    return {
      text: markdownTable([['users', 'requests/s', to], ...rows]),
      conditions: describeRounds(rounds, seconds),
    };
  },
};
