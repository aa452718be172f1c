import { once } from 'node:events';
import { createServer } from 'node:http';
import type { BenchRun } from '../bench-run.js';
import { LATCHKEY, LATCHKEY_LEAN, type Peer } from '../peers.js';
import { describeRounds, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import type { Measurement } from './measurement.js';
import { sideBySide } from './side-by-side.js';

interface Part {
  readonly title: string;
  readonly on: Peer;
  readonly off: Peer;
}

/** Requests per CPU second with and without request log, usage counts and metrics. */
export const recording: Measurement = {
  name: 'recording',
  peers: () => [LATCHKEY],
  run: (run) =>
    measure(run, [
      without('request log, usage and metrics', {
        LOG_LEVEL: 'silent',
        USAGE_RECORDING: 'off',
        METRICS_PORT: '',
      }),
      { title: 'request log, usage, metrics and limits', on: LATCHKEY, off: LATCHKEY_LEAN },
    ]),
};

/** Requests per CPU second with and without each optional part of the backend. */
export const optionalParts: Measurement = {
  name: 'optional-parts',
  peers: () => [LATCHKEY],
  async run(run) {
    const collector = await startCollector();
    try {
      return await measure(run, partsOf(collector.url));
    } finally {
      collector.stop();
    }
  },
};

function partsOf(collectorUrl: string): readonly Part[] {
  return [
    without('request log', { LOG_LEVEL: 'silent' }),
    without('usage', { USAGE_RECORDING: 'off' }),
    without('metrics', { METRICS_PORT: '' }),
    without('limits', { LIMITS: 'off' }),
    {
      title: 'traces, of every request',
      on: variant('latchkey with traces', { OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl }),
      off: LATCHKEY,
    },
  ];
}

function without(title: string, variables: NodeJS.ProcessEnv): Part {
  return { title, on: LATCHKEY, off: variant(`latchkey without ${title}`, variables) };
}

function variant(name: string, variables: NodeJS.ProcessEnv): Peer {
  return { ...LATCHKEY, name, variables: { ...LATCHKEY.variables, ...variables } };
}

async function measure(run: BenchRun, parts: readonly Part[]) {
  const database = await run.database();
  const turns = parts.map(({ title, on, off }) => ({
    name: title,
    measure: sideBySide(run, { peer: on, database }, { peer: off, database }),
  }));
  const results = await run.inTurns(turns);
  const rows = parts.map(({ title }, index) => [
    title,
    formatSpread(
      (results[index] ?? []).map(
        ([on, off]) => off.cpuMicrosecondsPerRequest / on.cpuMicrosecondsPerRequest,
      ),
    ),
  ]);
  const { rounds, seconds } = run.options;
  return {
    text: markdownTable([['', 'requests/CPU second, with it ÷ without'], ...rows]),
    conditions: `both servers at the same time on one core; ${describeRounds(rounds, seconds)}`,
  };
}

/** Starts a collector that accepts traces and discards them. */
async function startCollector(): Promise<{ url: string; stop: () => void }> {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}
