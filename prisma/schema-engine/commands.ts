import { type SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { withDatabase } from './adapter-factory.js';
import { startSchemaEngine } from './wasm-engine.js';

type Command = (url: URL) => Promise<string>;

/** What the CLI runs as `cli NAME`; each gives the sentence to log when it went well. */
export const commands: ReadonlyMap<string, Command> = new Map([
  ['can-connect-to-database', canConnectToDatabase],
  ['create-database', createDatabase],
]);

/** Relies on the engine's start, which connects. */
function canConnectToDatabase(url: URL): Promise<string> {
  return useEngine(url, async () => 'Connection successful');
}

function createDatabase(url: URL): Promise<string> {
  const name = decodeURIComponent(url.pathname.slice(1));
  const server = withDatabase(url, 'postgres');
  return useEngine(server, async (engine) => {
    const script = `CREATE DATABASE "${name.replaceAll('"', '""')}"`;
    await engine.dbExecute({ datasourceType: { tag: 'url', url: server.href }, script });
    return `Database '${name}' was successfully created.`;
  });
}

/** Asks the engine rather than the driver, for the CLI prints the engine's sentences on errors. */
async function useEngine<T>(url: URL, use: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  const started = await startSchemaEngine(url);
  try {
    return await use(started.engine);
  } finally {
    await started.close();
  }
}
