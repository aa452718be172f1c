import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

// Nothing logs headers or bodies today; this keeps a key out of the log on the day that something does.
const SECRET_PATHS = ['x-api-key', 'authorization', 'cookie'].flatMap((header) => [
  `headers["${header}"]`,
  `*.headers["${header}"]`,
]);

/** The process's logger: JSON lines on stdout, or readable ones when stdout is a terminal. */
export function createLogger(level: string): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: SECRET_PATHS,
    serializers: { err: describeError },
  };
  return process.stdout.isTTY
    ? pino(options, pretty({ ignore: 'time', messageFormat: '{context} {msg}', hideObject: false }))
    : pino(options);
}

// An allow-list: database errors carry rows, parameters and connection settings in their other properties.
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { type: error.name, code, message: error.message, stack: error.stack };
}
