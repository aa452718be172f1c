/** Injects the process's pino logger, for lines with fields. */
export const PROCESS_LOGGER = Symbol('process logger');
