/**
 * `npm run demo:attack -- [ATTEMPTS]`: attacks a backend on this machine with wrong, ended and greedy keys, and shows that each
 * attempt is in the log once and adds up in usage and metrics. It starts a backend of its own on the database of `npm start`,
 * which must be running, or on that of DATABASE_URL.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { config } from 'dotenv';
import { parseEnvironment } from '../src/config/environment.js';
import { renderTable } from '../src/cli/table.js';
import { attack } from './attack/attack.js';
import { makeCallers, retireCallers } from './attack/callers.js';
import { HttpCaller } from './attack/http-caller.js';
import { LoggingBackend } from './attack/logging-backend.js';
import {
  type Counts,
  compareCounts,
  compareWithLog,
  countAttempts,
  countOutcomes,
  readMetrics,
  readUsage,
} from './attack/records.js';
import { embeddedDatabaseUrl } from './embedded-postgres.js';

const DEFAULT_ATTEMPTS = 100_000;
const MAX_ATTEMPTS = 1_000_000;
const USAGE_WAIT_MS = 15_000;

try {
  await main(process.argv[2]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(text = String(DEFAULT_ATTEMPTS)): Promise<void> {
  const total = Number(text);
  if (!Number.isInteger(total) || total < 1 || total > MAX_ATTEMPTS) {
    throw new Error(`Usage: npm run demo:attack -- [1 to ${MAX_ATTEMPTS}]`);
  }
  config({ quiet: true });
  if (!process.env.DATABASE_URL && !process.env.DATABASE_URL_FILE) {
    const url = embeddedDatabaseUrl();
    if (url === undefined) throw new Error('No database is running: run npm start beside this.');
    process.env.DATABASE_URL = url;
  }
  const rootKey = process.env.INTERNAL_API_KEY;
  if (!rootKey) throw new Error('The attack needs INTERNAL_API_KEY, to issue keys.');
  const { DATABASE_URL, API_KEY_ENVIRONMENT } = parseEnvironment(process.env);
  const backend = new LoggingBackend();
  const http = new HttpCaller(await backend.origin());
  try {
    const callers = await makeCallers(http, rootKey, API_KEY_ENVIRONMENT);
    const keyIds = callers.map(({ keyId }) => keyId);
    const metricsUrl = await backend.metricsUrl();
    const before = await readUsage(DATABASE_URL, keyIds);
    const metricsBefore = await readMetrics(metricsUrl);
    const began = performance.now();
    const { attempts, shed, breaches } = await attack(http, callers, total, showProgress);
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `\r${attempts.length} attempts in ${seconds.toFixed(1)} s, ${shed} shed before they were any.`,
    );
    const expected = countAttempts(attempts);
    const usage = async () =>
      compareCounts(expected, before, await readUsage(DATABASE_URL, keyIds));
    const inUsage = await settled(usage);
    const inLog = compareWithLog(attempts, backend.log);
    const outcomes = countOutcomes(attempts);
    const inMetrics = compareCounts(outcomes, metricsBefore, await readMetrics(metricsUrl));
    console.log(describe(outcomes));
    console.log(`Wrong keys let in: ${breaches}.`);
    console.log(`Log: ${inLog.missing} missing, ${inLog.double} double, ${inLog.wrong} wrong.`);
    console.log(`Usage: ${inUsage.missing} missing, ${inUsage.double} double.`);
    console.log(`Metrics: ${inMetrics.missing} missing, ${inMetrics.double} double.`);
    await retireCallers(http, rootKey, callers);
    const faults = [breaches, ...[inLog, inUsage, inMetrics].flatMap(Object.values)];
    if (faults.some((count) => count > 0)) process.exitCode = 1;
  } finally {
    http.close();
    await backend.stop();
  }
}

/** Usage is written down every five seconds. */
async function settled(
  compare: () => Promise<{ missing: number; double: number }>,
): Promise<{ missing: number; double: number }> {
  const deadline = performance.now() + USAGE_WAIT_MS;
  for (;;) {
    const faults = await compare();
    if (faults.missing === 0 || performance.now() > deadline) return faults;
    await sleep(200);
  }
}

function describe(outcomes: Counts): string {
  const rows = [...outcomes].map(([outcome, count]) => [outcome, String(count)]);
  return renderTable(['outcome', 'attempts'], rows);
}

function showProgress(done: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${done} attempts …`);
}
