import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRun } from '../bench-run.js';
import type { PeerServer } from '../peer-server.js';
import { PEERS } from '../peers.js';
import { describeRounds, formatCount, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import type { Measurement } from './measurement.js';

const SETTLE_MS = 3000;
const SAMPLE_MS = 250;
const ROUNDS = 3;

interface Memory {
  readonly idle: number;
  readonly loaded: number;
}

/**
 * The resident memory of an idle process, 3 s after its start, and its peak under load.
 */
export const memory: Measurement = {
  name: 'memory',
  peers: () => PEERS,
  async run(run) {
    const database = await run.database();
    const subjects = PEERS.map((peer) => ({ peer, database }));
    const results = await run.peersInTurns(subjects, (server) => observe(run, server), ROUNDS);
    const rows = PEERS.map(({ title }, index) => {
      const rounds = results[index] ?? [];
      const idle = rounds.map((round) => round.idle);
      const loaded = rounds.map((round) => round.loaded);
      return [title, formatSpread(idle, formatCount), formatSpread(loaded, formatCount)];
    });
    const text = markdownTable([['', 'idle, MB', 'under load, MB'], ...rows]);
    return { text, conditions: describeRounds(ROUNDS, run.options.seconds) };
  },
};

async function observe(run: BenchRun, server: PeerServer): Promise<Memory> {
  await sleep(SETTLE_MS);
  const idle = await server.residentMegabytes();
  return { idle, loaded: await peakMemory(server, run.load(server)) };
}

async function peakMemory(server: PeerServer, load: Promise<unknown>): Promise<number> {
  const completed = load.then(() => 'completed');
  let peak = 0;
  while ((await Promise.race([completed, sleep(SAMPLE_MS, 'running')])) === 'running') {
    peak = Math.max(peak, await server.residentMegabytes());
  }
  return peak;
}
