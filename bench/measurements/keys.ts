import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { BenchRun } from '../bench-run.js';
import { pinned } from '../cores.js';
import type { Database } from '../database.js';
import type { PeerServer } from '../peer-server.js';
import { LATCHKEY_LEAN, variablesOf } from '../peers.js';
import { describeRounds, formatCount, formatDecimal, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';

const KEYS = [10, 200_000];
const CHECKS = fileURLToPath(new URL('check-keys.mjs', import.meta.url));
const timesSchema = z.record(z.string(), z.number());

interface Served {
  readonly rate: number;
  readonly cpuMicroseconds: number;
  readonly readyAfterMs: number;
  readonly megabytes: number;
}

/** The cost of a large number of issued keys, and the cost of one key check. */
export const keys: Measurement = {
  name: 'keys',
  peers: () => [LATCHKEY_LEAN],
  async run(run) {
    const databases: Database[] = [];
    for (const count of KEYS) databases.push(await run.database(run.options.users, count));
    const subjects = databases.map((database) => ({ peer: LATCHKEY_LEAN, database }));
    const served = await run.peersInTurns(subjects, (server) => measureServer(run, server));
    const checks = [];
    for (const database of databases) checks.push(await timeChecks(run, database));
    const perRequest = medianOf((served.at(-1) ?? []).map((round) => round.cpuMicroseconds));
    return {
      text: [
        servedTable(served),
        'The duration of a key check in microseconds, and its share of the CPU time of a request:',
        checkTable(checks, perRequest),
      ].join('\n\n'),
      conditions: describeRounds(run.options.rounds, run.options.seconds),
    };
  },
};

async function measureServer(run: BenchRun, server: PeerServer): Promise<Served> {
  const { readyAfterMs } = server;
  await run.warmUp(server);
  const before = await server.cpuMicroseconds();
  const { requests, requestsPerSecond } = await run.load(server);
  const cpuMicroseconds = ((await server.cpuMicroseconds()) - before) / requests;
  const megabytes = await server.residentMegabytes();
  return { rate: requestsPerSecond, cpuMicroseconds, readyAfterMs, megabytes };
}

async function timeChecks(run: BenchRun, database: Database): Promise<Map<string, number>> {
  run.progress(`time the checks of a key among ${database.keys} keys`);
  const env = {
    ...variablesOf(LATCHKEY_LEAN, database, 1),
    ISSUED_KEY: await run.keyFor({ peer: LATCHKEY_LEAN, database }),
  };
  const [program, args] = pinned('server', [process.execPath, CHECKS]);
  const { stdout } = await promisify(execFile)(program, args, { env, signal: run.signal });
  return new Map(Object.entries(timesSchema.parse(JSON.parse(stdout))));
}

function servedTable(served: readonly (readonly Served[])[]): string {
  const ratesOf = (rounds: readonly Served[] = []) => rounds.map(({ rate }) => rate);
  const rows = KEYS.map((count, index) => {
    const rounds = served[index] ?? [];
    return [
      formatCount(count),
      formatSpread(ratesOf(rounds), formatCount),
      formatSpread(ratiosByRound(ratesOf(rounds), ratesOf(served[0]))),
      formatCount(medianOf(rounds.map(({ readyAfterMs }) => readyAfterMs))),
      formatCount(medianOf(rounds.map(({ megabytes }) => megabytes))),
    ];
  });
  const to = `÷ ${formatCount(KEYS[0] ?? 0)} keys`;
  return markdownTable([['issued keys', 'requests/s', to, 'ready, ms', 'resident, MB'], ...rows]);
}

function checkTable(checks: readonly Map<string, number>[], perRequest: number): string {
  const rows = [...(checks[0]?.keys() ?? [])].map((kind) => {
    const times = checks.map((among) => among.get(kind) ?? Number.NaN);
    const share = ((times.at(-1) ?? Number.NaN) / perRequest) * 100;
    return [kind, times.map(formatDecimal), `${formatDecimal(share)} %`].flat();
  });
  const among = KEYS.map((count) => `among ${formatCount(count)} keys`);
  return markdownTable([['', ...among, 'of a request’s CPU time'], ...rows]);
}
