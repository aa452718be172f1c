import { parseArgs } from 'node:util';
import { z } from 'zod';
import { withDatabase } from './adapter-factory.js';
import { callEngine, panicRegistry, startEngine, type StartedEngine } from './engine.js';
import { describeError, log, serveJsonRpc } from './cli-protocol.js';

/** The native engine has the same limit. */
const SHUTDOWN_TIMEOUT_MS = 4_000;

const datasourceSchema = z.object({ url: z.url() });

// The CLI fails on a line of stderr that is not JSON, such as a warning of Node.
process.removeAllListeners('warning');
process.on('warning', ({ message }) => log('WARN', { message }));

// A panic of the engine arrives here and does not reject the promise of the call that caused it.
process.on('uncaughtException', (error) => {
  logError(panicRegistry.message ? new Error(panicRegistry.message) : error, true);
  process.exit(101);
});

await main().catch((error: unknown) => {
  logError(error, false);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      datasource: { type: 'string', default: '{}' },
      datamodels: { type: 'string', multiple: true },
      // The CLI may pass these two options, which the WASM engine does not have.
      'enabled-preview-features': { type: 'string' },
      'extension-types': { type: 'string' },
    },
  });
  const [subcommand, command = ''] = positionals;
  if (subcommand === 'cli') await runCommand(command, values.datasource);
  else await serve(values.datasource, values.datamodels);
}

/** Runs `cli can-connect-to-database` or `cli create-database` and logs the result. */
async function runCommand(command: string, datasource: string): Promise<void> {
  // The CLI skips the first line of stderr.
  log('INFO', { message: 'Starting schema engine CLI' });
  const url = parseDatasourceUrl(datasource);
  if (command === 'create-database') await createDatabase(url);
  else if (command === 'can-connect-to-database') {
    // Starting the engine connects to the database.
    await (await startEngine(url)).close();
    log('INFO', { message: 'Connection successful' });
  } else throw new Error(`The schema engine has no command "${command}".`);
}

async function createDatabase(url: URL): Promise<void> {
  const server = withDatabase(url, 'postgres');
  const { engine, close } = await startEngine(server);
  const name = decodeURIComponent(url.pathname.slice(1));
  const script = `CREATE DATABASE "${name.replaceAll('"', '""')}"`;
  try {
    await engine.dbExecute({ datasourceType: { tag: 'url', url: server.href }, script });
    log('INFO', { message: `Database '${name}' was successfully created.` });
  } finally {
    await close();
  }
}

async function serve(datasource: string, datamodelPaths?: readonly string[]): Promise<void> {
  let started: Promise<StartedEngine> | undefined;
  const stop = async () => {
    setTimeout(() => process.exit(1), SHUTDOWN_TIMEOUT_MS).unref();
    const running = await started?.catch(() => undefined);
    await running?.close();
    process.exit();
  };
  // The CLI sends SIGTERM right after it closes stdin; the shadow database must still be dropped.
  process.on('SIGTERM', () => void stop()).on('SIGINT', () => void stop());
  // An interrupted CLI may exit before it has read the response.
  process.stdout.on('error', () => void stop());
  await serveJsonRpc(async (method, params) => {
    // Connects only now, because the CLI may treat a failure before the first request as a success.
    started ??= startEngine(parseDatasourceUrl(datasource), datamodelPaths);
    const { engine } = await started;
    return callEngine(engine, method, params);
  });
  await stop();
}

function parseDatasourceUrl(json: string): URL {
  const { data } = datasourceSchema.safeParse(JSON.parse(json));
  if (data !== undefined) return new URL(data.url);
  throw Object.assign(new Error('The database URL is missing or malformed.'), { code: 'P1013' });
}

function logError(error: unknown, isPanic: boolean): void {
  const { message, code } = describeError(error);
  log('ERROR', { message, is_panic: isPanic, error_code: code ?? '' });
}
