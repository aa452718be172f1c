import { LATCHKEY } from '../peers.js';
import { describeRounds, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';

/** Parts of the backend that can be switched off, one after another. */
const PARTS = [
  { title: 'request log', off: { LOG_LEVEL: 'silent' } },
  { title: 'usage', off: { USAGE_RECORDING: 'off' } },
  { title: 'limits', off: { LIMITS: 'off' } },
  { title: 'usage and limits', off: { USAGE_RECORDING: 'off', LIMITS: 'off' } },
];

const WITHOUT = PARTS.map(({ title, off }) => ({
  ...LATCHKEY,
  name: `latchkey without ${title}`,
  variables: { ...LATCHKEY.variables, ...off },
}));

/** How much faster the backend is without a part. */
export const optionalParts: Measurement = {
  name: 'optional-parts',
  peers: () => [LATCHKEY],
  async run(run) {
    const database = await run.database();
    const subjects = [LATCHKEY, ...WITHOUT].map((peer) => ({ peer, database }));
    const [all = [], ...others] = await run.peersInTurns(subjects, async (server) => {
      await run.warmUp(server);
      return (await run.load(server)).requestsPerSecond;
    });
    const rows = PARTS.map(({ title }, index) => [
      title,
      formatSpread(ratiosByRound(others[index] ?? [], all)),
    ]);
    const { rounds, seconds } = run.options;
    return {
      text: markdownTable([['switched off', 'requests/s ÷ all on'], ...rows]),
      conditions: describeRounds(rounds, seconds),
    };
  },
};
