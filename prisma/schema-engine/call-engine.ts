import { type SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { requestPrint } from './json-rpc.js';

/** The methods that the CLI calls by the engine's own names. */
const METHODS = [
  'applyMigrations',
  'createMigration',
  'dbExecute',
  'devDiagnostic',
  'diagnoseMigrationHistory',
  'diff',
  'evaluateDataLoss',
  'introspect',
  'introspectSql',
  'markMigrationApplied',
  'markMigrationRolledBack',
  'reset',
  'schemaPush',
] as const satisfies (keyof SchemaEngine)[];

/** Calls the engine's method for one of the CLI's requests; the engine checks the parameters. */
export async function callEngine(
  engine: SchemaEngine,
  method: string,
  params: unknown,
): Promise<unknown> {
  if (method === 'getDatabaseVersion') return engine.version();
  const name = METHODS.find((known) => known === method);
  if (!name) throw new Error(`The schema engine has no method "${method}".`);
  const call = (operation: (typeof METHODS)[number]): Promise<unknown> =>
    Reflect.apply(engine[operation], engine, [params]);
  switch (name) {
    case 'diff':
      return printDiff(await call('diff'));
    case 'evaluateDataLoss':
      // The WASM engine knows the outcome of migrations only by a diagnosis made since they were
      // applied, and otherwise fails here: the CLI makes none after applying pending migrations.
      return call('evaluateDataLoss').catch(() =>
        call('devDiagnostic').then(() => call('evaluateDataLoss')),
      );
    default:
      return call(name);
  }
}

/** Has the CLI print the difference before the answer, when its `--output` still listens. */
function printDiff(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('stdout' in result)) return result;
  if (typeof result.stdout === 'string') requestPrint(result.stdout);
  return { ...result, stdout: null };
}
