import { PgBouncer } from '../../test/support/pgbouncer.js';
import { ratesOf } from '../load/load.js';
import { LATCHKEY, type Peer } from '../peers.js';
import { describeRounds, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { measureTogether } from './throughput.js';

/** Throughput behind PgBouncer in transaction mode, relative to a direct connection. */
export const transactionPooler: Measurement = {
  name: 'transaction-pooler',
  peers: () => [LATCHKEY],
  async run(run) {
    const database = await run.database();
    const pooler = await PgBouncer.start(database.url);
    const pooled: Peer = {
      ...LATCHKEY,
      name: 'latchkey behind PgBouncer',
      variables: {
        ...LATCHKEY.variables,
        DATABASE_URL: pooler.url,
        DIRECT_URL: database.url,
        METRICS_PORT: '',
      },
    };
    try {
      const results = await run.withWarmServers([pooled, LATCHKEY], (servers) =>
        measureTogether(run, servers),
      );
      const [rates, directRates] = [pooled, LATCHKEY].map((peer) => ratesOf(results.get(peer)));
      const ratios = ratiosByRound(rates ?? [], directRates ?? []);
      const { rounds, seconds } = run.options;
      return {
        text: markdownTable([
          ['', 'requests per second, behind PgBouncer ÷ direct'],
          ['look-ups', formatSpread(ratios)],
        ]),
        conditions: describeRounds(rounds, seconds),
      };
    } finally {
      await pooler.stop();
    }
  },
};
