import { PgBouncer } from '../../test/support/pgbouncer.js';
import { ratesOf } from '../load/load.js';
import { LATCHKEY, type Peer } from '../peers.js';
import { describeRounds, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { cpuTimesOf, measureTogether } from './throughput.js';

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
      const [behind, direct] = [results.get(pooled) ?? [], results.get(LATCHKEY) ?? []];
      const rates = ratiosByRound(ratesOf(behind), ratesOf(direct));
      const perCpuSecond = ratiosByRound(cpuTimesOf(direct), cpuTimesOf(behind));
      const { rounds, seconds } = run.options;
      return {
        text: markdownTable([
          ['', 'behind PgBouncer ÷ direct'],
          ['requests per second', formatSpread(rates)],
          ['requests per CPU second of the server', formatSpread(perCpuSecond)],
        ]),
        conditions: describeRounds(rounds, seconds),
      };
    } finally {
      await pooler.stop();
    }
  },
};
