/**
 * `npm run bench`: compares the backend with its peers on this machine. All requests go to
 * 127.0.0.1.
 */
import { BenchRun } from './bench-run.js';
import { checkCores } from './cores.js';
import { DatabaseServer } from './database.js';
import { buildPeers, checkBuild, installDependencies } from './installation.js';
import { Autocannon } from './load/autocannon.js';
import type { LoadGenerator } from './load/load.js';
import { Wrk } from './load/wrk.js';
import { coldStart } from './measurements/cold-start.js';
import { halfLoad } from './measurements/half-load.js';
import { keys } from './measurements/keys.js';
import { latency } from './measurements/latency.js';
import { mcpToolCall } from './measurements/mcp-tool-call.js';
import { memory } from './measurements/memory.js';
import type { Measurement } from './measurements/measurement.js';
import { optionalParts, recording } from './measurements/optional-parts.js';
import { tableSize } from './measurements/table-size.js';
import { transactionPooler } from './measurements/transaction-pooler.js';
import { throughput } from './measurements/throughput.js';
import { type Options, USAGE, parseOptions } from './options.js';
import type { Peer } from './peers.js';
import { compareWithRecorded } from './quick.js';
import { RECORDED } from './ratios.js';
import { report } from './progress.js';
import { describeMachine } from './report/machine.js';
import { writeChart, writeSections } from './report/page.js';

const MEASUREMENTS: readonly Measurement[] = [
  throughput,
  latency,
  halfLoad,
  tableSize,
  keys,
  mcpToolCall,
  coldStart,
  memory,
  recording,
  optionalParts,
  transactionPooler,
];

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => abort.abort(new Error(`Stopped by ${signal}.`)));
}

try {
  await main(process.argv.slice(2));
} catch (failure) {
  // An interrupted run prints only that it was interrupted.
  const error: unknown = abort.signal.aborted ? abort.signal.reason : failure;
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof TypeError) console.error(USAGE);
  process.exitCode = 1;
}

async function main(args: string[]): Promise<void> {
  const options = parseOptions(args);
  const measurements = chooseMeasurements(options);
  checkCores();
  checkBuild();
  const generator = await prepare(options, measurements);
  const databaseServer = await DatabaseServer.start();
  try {
    const run = new BenchRun(options, generator, databaseServer, abort.signal);
    const problems = options.quick ? await compareWithRecorded(run) : [];
    if (!options.quick) await measure(run, measurements);
    if (run.errors > 0) problems.push(`${run.errors} requests failed.`);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  } finally {
    await databaseServer.stop();
  }
}

function chooseMeasurements({ only }: Options): readonly Measurement[] {
  if (only === undefined) return MEASUREMENTS;
  return only.map((name) => {
    const measurement = MEASUREMENTS.find((candidate) => candidate.name === name);
    if (measurement !== undefined) return measurement;
    const names = MEASUREMENTS.map((each) => each.name).join(', ');
    throw new TypeError(`There is no measurement ${name}. The measurements are ${names}.`);
  });
}

async function prepare(
  options: Options,
  measurements: readonly Measurement[],
): Promise<LoadGenerator> {
  const wrk = await Wrk.find();
  if (wrk === undefined && !options.quick) {
    throw new Error('A full run needs wrk (apt-get install wrk). --quick works without wrk.');
  }
  const peers = options.quick
    ? RECORDED[wrk?.name ?? 'autocannon'].flatMap(({ of, to }) => [of, to])
    : measurements.flatMap((measurement) => measurement.peers(options));
  await build(peers, wrk === undefined);
  return wrk ?? Autocannon.load();
}

async function build(peers: readonly Peer[], needsAutocannon: boolean): Promise<void> {
  if (needsAutocannon || peers.some(({ hasOwnDependencies }) => hasOwnDependencies)) {
    report('install the packages that only the benchmark needs');
    await installDependencies();
  }
  report('build the peers');
  await buildPeers(peers);
}

async function measure(run: BenchRun, measurements: readonly Measurement[]): Promise<void> {
  const sections = new Map([['machine', await describeMachine(run)]]);
  for (const measurement of measurements) {
    report(measurement.name);
    const { text, conditions, chart } = await measurement.run(run);
    console.log(`\n## ${measurement.name}\n\n${text}\n`);
    sections.set(measurement.name, `${text}\n\n${today()}: ${conditions}`);
    if (!run.options.writes) continue;
    if (chart !== undefined) await writeChart(chart);
    // Written immediately, so that an interrupted run keeps its results.
    await writeSections(sections);
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
