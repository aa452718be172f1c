/** Writes a line of JSON to stderr, in the format that Prisma's CLI expects from its engine. */
export function log(level: 'INFO' | 'WARN' | 'ERROR', fields: Record<string, unknown>): void {
  const timestamp = new Date().toISOString();
  const line = { timestamp, level, fields, target: 'schema_engine::logger' };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/** The parts of an engine's error that the CLI shows; the code is Prisma's, such as `P1001`. */
export function describeError(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const message = error.message.trimEnd();
  return 'code' in error && typeof error.code === 'string'
    ? { message, code: error.code }
    : { message };
}
