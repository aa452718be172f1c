import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { LineBatches, type LineStream } from './line-batches.js';

// Nothing logs headers or bodies today; this keeps a key out of the log on the day that something does.
const SECRET_PATHS = ['x-api-key', 'authorization', 'cookie'].flatMap((header) => [
  `headers["${header}"]`,
  `*.headers["${header}"]`,
]);

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
export type LogTarget = keyof typeof DESCRIPTORS;

const STREAMS = new Map<LogTarget, LineStream>();

/** A process's logger: JSON lines, or readable ones where the target is a terminal. */
export function createLogger(level: string, target: LogTarget = 'stdout'): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: SECRET_PATHS,
    serializers: { err: describeError },
  };
  return pino(options, logStream(target));
}

/** Takes the lines of the log. A process has one for each target, however many loggers it has. */
export function logStream(target: LogTarget = 'stdout'): LineStream {
  const stream = STREAMS.get(target) ?? openStream(target);
  STREAMS.set(target, stream);
  return stream;
}

function openStream(target: LogTarget): LineStream {
  const descriptor = DESCRIPTORS[target];
  // To ask makes Node open it, and a pipe or socket non-blocking.
  if (!process[target].isTTY) return new LineBatches(descriptor);
  const stream = pretty({
    destination: descriptor,
    translateTime: 'HH:MM:ss',
    ignore: 'context',
    messageFormat: '{if context}{context}: {end}{msg}',
    singleLine: true,
  });
  return Object.assign(stream, { writeAscii: (line: string) => void stream.write(line) });
}

// An allow-list: errors of clients and drivers carry rows, keys and connection settings in other properties.
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { type: error.name, code, message: error.message, stack: error.stack };
}
