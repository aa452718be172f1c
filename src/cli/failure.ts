export const EXIT_CODES = {
  failed: 1,
  usage: 2,
  notFound: 3,
  unconfirmed: 4,
  rejected: 5,
} as const;

export const EXIT_CODE_HELP = `
Exit codes:
  0  done
  ${EXIT_CODES.failed}  failed: the server, the database or the network reported an error
  ${EXIT_CODES.usage}  wrong usage: an option is missing or not valid
  ${EXIT_CODES.notFound}  no key has this id
  ${EXIT_CODES.unconfirmed}  keys revoke: the key is revoked, but not every running instance has confirmed this
  ${EXIT_CODES.rejected}  keys verify: the key is not accepted; audit verify: the trail or a key was tampered with`;

/** Thrown to end the command with a message on stderr and an exit code. */
export class CommandFailure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT_CODES.failed,
  ) {
    super(message);
  }
}

/** Creates the failure for invalid options. @param problems one line each, most important first */
export function wrongUsage(...problems: readonly string[]): CommandFailure {
  return new CommandFailure(problems.join('\n'), EXIT_CODES.usage);
}
