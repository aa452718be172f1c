import { ratesOf } from '../load/load.js';
import { LATCHKEY } from '../peers.js';
import { describeRounds, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { cpuTimesOf, measureThroughput } from './throughput.js';

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
    const results = await measureThroughput(run, [LATCHKEY, ...WITHOUT]);
    const all = results.get(LATCHKEY);
    const rows = WITHOUT.map((peer, index) => {
      const without = results.get(peer);
      return [
        PARTS[index]?.title ?? '',
        formatSpread(ratiosByRound(ratesOf(without), ratesOf(all))),
        formatSpread(ratiosByRound(cpuTimesOf(all), cpuTimesOf(without))),
      ];
    });
    const { rounds, seconds } = run.options;
    return {
      text: markdownTable([
        ['switched off', 'requests/s ÷ all on', 'requests/CPU second ÷ all on'],
        ...rows,
      ]),
      conditions: describeRounds(rounds, seconds),
    };
  },
};
