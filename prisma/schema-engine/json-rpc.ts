import { createInterface } from 'node:readline';
import { describeError } from './errors.js';

/** The code that Prisma's CLI expects of every error of the engine. */
const ENGINE_ERROR_CODE = 4466;

type Call = (method: string, params: unknown) => Promise<unknown>;

/** Answers JSON-RPC 2.0 requests, one a line on stdin, in their order, until stdin ends. */
export async function serveJsonRpc(call: Call): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const message: unknown = JSON.parse(line);
    // The CLI also answers our `print` requests here.
    if (!isRequest(message)) continue;
    const answer = await call(message.method, message.params).then(
      (result) => ({ result: result ?? null }),
      (error: unknown) => ({ error: toErrorObject(error) }),
    );
    write({ id: message.id, ...answer });
  }
}

/** Asks the CLI to print a text: what it does with `--output` goes by this request. */
export function requestPrint(content: string): void {
  write({ id: 'print', method: 'print', params: { content: content.replace(/\n$/, '') } });
}

function write(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

interface Request {
  id: number;
  method: string;
  params?: unknown;
}

function isRequest(message: unknown): message is Request {
  return typeof message === 'object' && message !== null && 'method' in message;
}

function toErrorObject(error: unknown) {
  const { message, code } = describeError(error);
  const data = { is_panic: false, message, meta: null, error_code: code ?? null };
  return { code: ENGINE_ERROR_CODE, message: 'The schema engine failed; see data.', data };
}
