import { parseArgs } from 'node:util';
import { callEngine } from './call-engine.js';
import { commands } from './commands.js';
import { describeError } from './errors.js';
import { serveJsonRpc } from './json-rpc.js';
import { log } from './log.js';
import { panicRegistry, type StartedEngine, startSchemaEngine } from './wasm-engine.js';

/** How long the engine may take to end in order, in ms; the native one has the same bound. */
const SHUTDOWN_TIMEOUT = 4_000;

// Node's own warnings are no JSON, and the CLI fails on a line of stderr that isn't.
process.removeAllListeners('warning');
process.on('warning', ({ message }) => log('WARN', { message }));

// A panic of the engine surfaces here, and not in the promise of the call that caused it.
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
      // The CLI may pass these two; the WASM engine takes neither.
      'enabled-preview-features': { type: 'string' },
      'extension-types': { type: 'string' },
    },
  });
  const [subcommand, command = ''] = positionals;
  if (subcommand === 'cli') await runCommand(command, values.datasource);
  else await serve(values.datasource, values.datamodels);
}

async function runCommand(name: string, datasource: string): Promise<void> {
  // The CLI skips the first line of stderr.
  log('INFO', { message: 'Starting schema engine CLI' });
  const command = commands.get(name);
  if (!command) throw new Error(`The schema engine has no command "${name}".`);
  log('INFO', { message: await command(parseDatasourceUrl(datasource)) });
}

async function serve(datasource: string, datamodelPaths?: readonly string[]): Promise<void> {
  let started: Promise<StartedEngine> | undefined;
  const stop = async () => {
    setTimeout(() => process.exit(1), SHUTDOWN_TIMEOUT).unref();
    const running = await started?.catch(() => undefined);
    await running?.close();
    process.exit();
  };
  // The CLI ends stdin and sends SIGTERM at once; a shadow database must be dropped all the same.
  process.on('SIGTERM', () => void stop()).on('SIGINT', () => void stop());
  // Interrupted, the CLI may be gone before it has read the answer.
  process.stdout.on('error', () => void stop());
  await serveJsonRpc(async (method, params) => {
    // Fails a request rather than the start: the CLI may take an early exit for success.
    started ??= startSchemaEngine(parseDatasourceUrl(datasource), datamodelPaths);
    const { engine } = await started;
    return callEngine(engine, method, params);
  });
  await stop();
}

function parseDatasourceUrl(json: string): URL {
  const datasource: unknown = JSON.parse(json);
  if (typeof datasource === 'object' && datasource !== null && 'url' in datasource) {
    const { url } = datasource;
    if (typeof url === 'string' && URL.canParse(url)) return new URL(url);
  }
  throw Object.assign(new Error('The database URL is missing or malformed.'), { code: 'P1013' });
}

function logError(error: unknown, isPanic: boolean): void {
  const { message, code = '' } = describeError(error);
  log('ERROR', { message, is_panic: isPanic, error_code: code });
}
