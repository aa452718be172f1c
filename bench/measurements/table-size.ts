import { LATCHKEY_LEAN } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import type { Measurement } from './measurement.js';
import { sideBySide } from './side-by-side.js';

const FEW = 1000;
const MANY = [100_000, 1_000_000];

/** The throughput with more users in the table, relative to the throughput with few users. */
export const tableSize: Measurement = {
  name: 'table-size',
  peers: () => [LATCHKEY_LEAN],
  async run(run) {
    const subject = async (users: number) => ({
      peer: LATCHKEY_LEAN,
      database: await run.database(users),
    });
    const few = await subject(FEW);
    const turns = [];
    for (const users of MANY) {
      const measure = sideBySide(run, await subject(users), few);
      turns.push({ name: `${users} users and ${FEW}`, measure });
    }
    const results = await run.inTurns(turns);
    const rows = MANY.map((users, index) => [
      formatCount(users),
      formatSpread(
        (results[index] ?? []).map(
          ([many, fewer]) => many.requestsPerSecond / fewer.requestsPerSecond,
        ),
      ),
    ]);
    const { rounds, seconds } = run.options;
    return {
      text: markdownTable([
        ['users', `requests/s ÷ requests/s with ${formatCount(FEW)} users`],
        ...rows,
      ]),
      conditions: `both servers at the same time on one core; ${describeRounds(rounds, seconds)}`,
    };
  },
};
