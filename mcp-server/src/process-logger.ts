/** Injects the process's pino logger, for structured log lines. */
export const PROCESS_LOGGER = Symbol('process logger');
