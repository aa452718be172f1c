import { readFile } from 'node:fs/promises';
import {
  bindMigrationAwareSqlAdapterFactory,
  type MappedError,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { PostgresAdapterFactory } from './adapter-factory.js';

// Neither ES2023 nor @types/node 20 declares it.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { __wbindgen_start: () => void } } }>;
};

/** Holds why the engine panicked; the exception that it then throws says only "unreachable". */
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

export interface StartedEngine {
  engine: SchemaEngine;
  /** Disconnects and drops the shadow databases; to be awaited before the process exits. */
  close(): Promise<void>;
}

/**
 * Starts Prisma's schema engine, which connects to the database at once.
 * @throws Error with the engine's own sentence and a Prisma `code`, if the database can't be used.
 */
export async function startSchemaEngine(
  url: URL,
  datamodelPaths?: readonly string[],
): Promise<StartedEngine> {
  const factory = new PostgresAdapterFactory(url);
  const [datamodels] = await Promise.all([readDatamodels(datamodelPaths), instantiate()]);
  const boundFactory = bindMigrationAwareSqlAdapterFactory(factory);
  try {
    // The CLI reads only the lines that log.ts writes, so the engine's own log goes nowhere.
    const engine = await SchemaEngine.new({ datamodels }, () => undefined, boundFactory);
    return { engine, close: () => factory.close() };
  } catch (error) {
    await factory.close();
    const kind = factory.lastFailure;
    if (!(error instanceof Error) || kind === undefined) throw error;
    throw Object.assign(error, { code: CONNECTION_ERROR_CODES[kind] });
  }
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

async function readDatamodels(
  paths?: readonly string[],
): Promise<[path: string, content: string][] | undefined> {
  // An empty list makes the engine panic.
  if (!paths) return undefined;
  return Promise.all(
    paths.map(async (path): Promise<[string, string]> => [path, await readFile(path, 'utf8')]),
  );
}
