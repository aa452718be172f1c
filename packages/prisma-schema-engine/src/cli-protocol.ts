import { createInterface } from 'node:readline';
import { z } from 'zod';

/** The code that Prisma's CLI expects for every error of the engine. */
const ENGINE_ERROR_CODE = 4466;

const requestSchema = z.object({ id: z.number(), method: z.string(), params: z.unknown() });

type Call = (method: string, params: unknown) => Promise<unknown>;

/** Serves JSON-RPC 2.0, one message per line, in order, until stdin ends. */
export async function serveJsonRpc(call: Call): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = requestSchema.safeParse(JSON.parse(line));
    // The CLI's responses to `print` requests arrive here, too.
    if (!request.success) continue;
    const { id, method, params } = request.data;
    const response = await call(method, params).then(
      (result) => ({ result: result ?? null }),
      (error: unknown) => ({ error: toErrorObject(error) }),
    );
    write({ id, ...response });
  }
}

/** Asks the CLI to print a text. With `--output <file>`, the CLI writes the text to this file. */
export function requestPrint(content: string): void {
  write({ id: 'print', method: 'print', params: { content: content.replace(/\n$/, '') } });
}

function write(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

function toErrorObject(error: unknown) {
  const { message, code } = describeError(error);
  const data = { is_panic: false, message, meta: null, error_code: code };
  return { code: ENGINE_ERROR_CODE, message: 'The schema engine failed; see data.', data };
}

/** Writes a line of JSON to stderr, in the format that Prisma's CLI expects from its engine. */
export function log(level: 'INFO' | 'WARN' | 'ERROR', fields: Record<string, unknown>): void {
  const timestamp = new Date().toISOString();
  const line = { timestamp, level, fields, target: 'schema_engine::logger' };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/** Returns the parts of an error that the CLI shows. `code` is a Prisma code, such as `P1001`. */
export function describeError(error: unknown) {
  if (!(error instanceof Error)) return { message: String(error), code: null };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  return { message: error.message.trimEnd(), code };
}
