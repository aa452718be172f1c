type LogFields = { message: string } & Record<string, string | boolean>;

/** Writes the one line of JSON on stderr that the Prisma CLI reads from its schema engine. */
export function log(level: 'INFO' | 'WARN' | 'ERROR', fields: LogFields): void {
  const line = {
    timestamp: new Date().toISOString(),
    level,
    fields,
    target: 'schema_engine::logger',
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}
