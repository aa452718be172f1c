/** The injection token of the pino logger, which writes structured log lines. */
export const PROCESS_LOGGER = Symbol('process logger');
