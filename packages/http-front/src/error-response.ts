import { REQUEST_ID_HEADER } from '@latchkey/logging/request-id';

/** An error response that is sent without Fastify and Nest. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Returns the headers that all responses have. */
export function baseHeaders(requestId: string): Record<string, string> {
  return {
    [REQUEST_ID_HEADER]: requestId,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  };
}

/** Adds the base headers and the length of the body to an error response. */
export function complete({ status, headers, body }: ErrorResponse, requestId: string) {
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  return { status, headers: { ...headers, ...baseHeaders(requestId), ...length }, body };
}
