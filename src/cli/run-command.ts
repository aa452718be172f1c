import { EnvironmentError } from '@latchkey/environment/read-environment';
import { CommanderError, type Command } from 'commander';
import { z } from 'zod';
import { ProblemException } from '../problems/problem.js';
import { OUTDATED_SCHEMA, isSchemaOutdated } from '../prisma/outdated-schema.js';
import { isDatabaseUnavailable } from '../prisma/database-error.js';

/** What scripts can tell from the exit code. */
export const EXIT_CODES = {
  failed: 1,
  usage: 2,
  notFound: 3,
  /** A revocation that not every process has confirmed. */
  unconfirmed: 4,
  /** What was to be verified is not good. */
  notGood: 5,
} as const;

/** Ends a command with a sentence and an exit code of `EXIT_CODES`. */
export class CommandFailure extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** Carries out what the command line says. Whatever goes wrong is one sentence on stderr and an exit code. */
export async function runCommand(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    const { message, exitCode } = explain(error);
    if (message !== '') console.error(message);
    process.exitCode = exitCode;
  }
}

function explain(error: unknown): { message: string; exitCode: number } {
  if (error instanceof CommandFailure) return error;
  if (error instanceof CommanderError) {
    // It has said so itself.
    return { message: '', exitCode: error.exitCode === 0 ? 0 : EXIT_CODES.usage };
  }
  if (error instanceof z.ZodError) {
    const lines = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return { message: lines.join('\n'), exitCode: EXIT_CODES.usage };
  }
  if (error instanceof EnvironmentError) {
    return { message: error.message, exitCode: EXIT_CODES.failed };
  }
  if (error instanceof ProblemException) {
    const exitCode = error.getStatus() === 404 ? EXIT_CODES.notFound : EXIT_CODES.failed;
    return { message: `${error.message}.`, exitCode };
  }
  if (isSchemaOutdated(error)) return { message: OUTDATED_SCHEMA, exitCode: EXIT_CODES.failed };
  if (isDatabaseUnavailable(error)) {
    const message = 'The database cannot be reached, or takes too long: check DATABASE_URL.';
    return { message, exitCode: EXIT_CODES.failed };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message, exitCode: EXIT_CODES.failed };
}
