import { readFile } from 'node:fs/promises';
import {
  bindMigrationAwareSqlAdapterFactory,
  type MappedError,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { PostgresAdapterFactory } from './adapter-factory.js';
import { requestPrint } from './cli-protocol.js';

// Neither TypeScript's ES2023 library nor @types/node 20 declares WebAssembly.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { __wbindgen_start: () => void } } }>;
};

/** Receives the message of a panic; the exception that follows says only "unreachable". */
export const panicRegistry = {
  message: '',
  set_message(message: string) {
    this.message = message;
  },
};

const CONNECTION_ERROR_CODES: Partial<Record<MappedError['kind'], string>> = {
  AuthenticationFailed: 'P1000',
  DatabaseNotReachable: 'P1001',
  DatabaseDoesNotExist: 'P1003',
  DatabaseAccessDenied: 'P1010',
  TlsConnectionError: 'P1011',
};

export type StartedEngine = Awaited<ReturnType<typeof startEngine>>;

/**
 * Starts Prisma's schema engine, which then connects to the database. Await the returned `close`
 * before the process exits.
 * @throws Error with the engine's message and a Prisma `code`, if the connection fails
 */
export async function startEngine(url: URL, datamodelPaths?: readonly string[]) {
  const factory = new PostgresAdapterFactory(url);
  const [datamodels] = await Promise.all([readDatamodels(datamodelPaths), instantiate()]);
  const boundFactory = bindMigrationAwareSqlAdapterFactory(factory);
  try {
    // Drops the log lines of the engine: the CLI understands only the format of cli-protocol.ts.
    const engine = await SchemaEngine.new({ datamodels }, () => undefined, boundFactory);
    return { engine, close: () => factory.close() };
  } catch (error) {
    await factory.close();
    const kind = factory.lastFailure;
    if (!(error instanceof Error) || kind === undefined) throw error;
    throw Object.assign(error, { code: CONNECTION_ERROR_CODES[kind] });
  }
}

/** Calls the engine's method for a request of the CLI; the engine validates the parameters. */
export async function callEngine(
  engine: SchemaEngine,
  method: string,
  params: unknown,
): Promise<unknown> {
  if (method === 'getDatabaseVersion') return engine.version();
  const call = async (name: string): Promise<unknown> => {
    const operation: unknown = Reflect.get(engine, name);
    if (typeof operation === 'function') return Reflect.apply(operation, engine, [params]);
    throw new Error(`The schema engine has no method "${name}".`);
  };
  if (method === 'diff') return printDiff(await call(method));
  if (method !== 'evaluateDataLoss') return call(method);
  // Once migrations have been applied, `evaluateDataLoss` fails until `devDiagnostic` runs again.
  return call(method).catch(() => call('devDiagnostic').then(() => call(method)));
}

/** Prints the diff before the response: after the response, the CLI closes the `--output` file. */
function printDiff(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('stdout' in result)) return result;
  if (typeof result.stdout === 'string') requestPrint(result.stdout);
  return { ...result, stdout: null };
}

async function instantiate(): Promise<void> {
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: panicRegistry });
  const packageEntry = import.meta.resolve('@prisma/schema-engine-wasm');
  const bytes = await readFile(new URL('schema_engine_bg.wasm', packageEntry));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  const { __wbg_set_wasm: setWasm } = bindings;
  const { __wbindgen_start: start } = instance.exports;
  setWasm(instance.exports);
  start();
}

/** Returns undefined if there are no paths, because an empty list makes the engine panic. */
async function readDatamodels(paths?: readonly string[]) {
  const read = async (path: string): Promise<[path: string, content: string]> => [
    path,
    await readFile(path, 'utf8'),
  ];
  return paths && Promise.all(paths.map(read));
}
