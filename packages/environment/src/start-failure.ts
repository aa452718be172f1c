import { EnvironmentError } from './read-environment.js';

/** Returns why a server did not start; for an unexpected error, its stack. */
export function explainStartFailure(error: unknown, portVariable: string): string {
  if (error instanceof EnvironmentError) return error.message;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `The port is taken: stop the other program, or set ${portVariable}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'HOST is not an address of this machine.';
    case 'EACCES':
      return `This user is not allowed to listen on the port: set ${portVariable} to 1024 or above.`;
    default:
      return error instanceof Error ? (error.stack ?? error.message) : 'The start failed.';
  }
}
