import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import { BufferedLogStream } from './buffered-log-stream.js';

// Nothing logs headers or bodies; redaction protects against future mistakes.
const SECRET_PATHS = ['x-api-key', 'authorization', 'cookie'].flatMap((header) => [
  `headers["${header}"]`,
  `*.headers["${header}"]`,
]);

// Loading pino-pretty takes 30 ms, and only terminals need it.
const pretty = [1, 2].some((descriptor) => isatty(descriptor))
  ? (await import('pino-pretty')).default
  : undefined;

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
export type LogTarget = keyof typeof DESCRIPTORS;

// Loggers of a process share one stream per descriptor.
const streams: Partial<Record<LogTarget, DestinationStream>> = {};

/** Creates the process's logger, which writes JSON lines, or readable text on a terminal. */
export function createLogger(level: string, target: LogTarget = 'stdout'): Logger {
  return createLoggerFor((streams[target] ??= openStream(target)), level);
}

export function createLoggerFor(stream: DestinationStream, level: string): Logger {
  const options = {
    level,
    base: null,
    timestamp,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: SECRET_PATHS,
    serializers: { err: describeError },
  };
  return pino(options, stream);
}

/**
 * Returns a logger for frequent lines with fixed fields, none of which can contain a header. It
 * does not redact, because redaction takes longer than writing a line.
 */
export function withoutRedaction(logger: Logger): Logger {
  return logger.child({}, { redact: [] });
}

function openStream(target: LogTarget): DestinationStream {
  const descriptor = DESCRIPTORS[target];
  // Reading `isTTY` makes Node open the stream and set a pipe or socket to non-blocking mode.
  // `BufferedLogStream` needs this mode, so that a slow reader does not block the process.
  if (!process[target].isTTY || pretty === undefined) return new BufferedLogStream(descriptor);
  return pretty({
    destination: descriptor,
    translateTime: 'HH:MM:ss',
    ignore: 'context',
    messageFormat: '{if context}{context}: {end}{msg}',
    singleLine: true,
  });
}

let lastMs = 0;
let lastTimestamp = '';

/** ISO 8601. Cached for 1 ms, because formatting takes as long as writing the rest of a line. */
function timestamp(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastTimestamp = `,"time":"${new Date(now).toISOString()}"`;
  }
  return lastTimestamp;
}

// An allow-list, because other properties of errors may contain rows, keys and connection settings.
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { type: error.name, code, message: error.message, stack: error.stack };
}
