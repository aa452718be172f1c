import { userInfo } from 'node:os';
import { loadEnvFiles } from '@latchkey/environment/env-files';
import { readVersion } from '@latchkey/environment/read-version';
import { Command, CommanderError } from 'commander';
import { actingUserSchema } from '../auth/acting-user.schema.js';
import { ApiClient, type Transport } from './api-client.js';
import { addAuditCommands } from './audit.js';
import { CommandFailure, EXIT_CODES, EXIT_CODE_HELP, wrongUsage } from './failure.js';
import { openHttpTransport } from './http-transport.js';
import { addKeysCommands } from './keys.js';

/** Runs the command line and returns the exit code. Failures are printed to stderr. */
export async function run(argv: readonly string[]): Promise<number> {
  const { program, api } = createProgram();
  try {
    try {
      await program.parseAsync(argv);
    } finally {
      await api.close();
    }
    return 0;
  } catch (error) {
    const { message, exitCode } = explain(error);
    if (message !== '') console.error(message);
    return exitCode;
  }
}

/** Defines every command and option. Close `api` after running a command. */
export function createProgram(): { readonly program: Command; readonly api: ApiClient } {
  const program = new Command('latchkey')
    .description(
      'Manages API keys and the audit trail. Without --url, works directly on the database in DATABASE_URL.',
    )
    .version(readVersion(new URL('../../package.json', import.meta.url)))
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 32 })
    .showHelpAfterError('Add --help for the options and an example.')
    .option('--url <url>', 'URL of a running server to use instead of the database')
    .option(
      '--key-file <file>',
      'file with the API key for --url, or - for stdin (default: the key in $LATCHKEY_API_KEY)',
    )
    .option('--as <name>', 'your name in the audit trail (default: the system user)')
    .addHelpText('afterAll', EXIT_CODE_HELP);
  const api = new ApiClient(() => openTransport(program.opts()));
  addKeysCommands(program, api);
  addAuditCommands(program, api);
  return { program, api };
}

interface ConnectionOptions {
  readonly url?: string;
  readonly keyFile?: string;
  readonly as?: string;
}

async function openTransport({ url, keyFile, as }: ConnectionOptions): Promise<Transport> {
  const { data: operator, error } = actingUserSchema.safeParse(as ?? systemUser());
  if (error) throw wrongUsage(...error.issues.map(({ message }) => `--as ${message}`));
  if (url !== undefined) return openHttpTransport(url, keyFile, operator);
  if (keyFile !== undefined)
    throw wrongUsage('--key-file has no effect without --url: add the URL of the server.');
  loadEnvFiles();
  // Imported only here, because commands with --url need neither Nest nor Prisma.
  const { openInProcessTransport } = await import('./in-process-transport.js');
  return openInProcessTransport(operator);
}

/** Name of the system user, or its id: a container may run as a user that has no name. */
function systemUser(): string {
  try {
    const { username } = userInfo();
    return username.replaceAll(/[^A-Za-z0-9_.@+-]/g, '_').slice(0, 64);
  } catch {
    return `uid-${process.getuid?.()}`;
  }
}

function explain(error: unknown): { message: string; exitCode: number } {
  if (error instanceof CommandFailure) return error;
  // Commander has already printed the message.
  if (error instanceof CommanderError) {
    return { message: '', exitCode: error.exitCode === 0 ? 0 : EXIT_CODES.usage };
  }
  if (!(error instanceof Error)) return { message: String(error), exitCode: EXIT_CODES.failed };
  const isExpected = error.name === 'EnvironmentError';
  const message = isExpected ? error.message : (error.stack ?? error.message);
  return { message, exitCode: EXIT_CODES.failed };
}
