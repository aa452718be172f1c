import { STATUS_CODES } from 'node:http';
import type {
  ProtocolError,
  ReportProtocolError,
} from '@latchkey/http-front/protocol-error-handler';
import type { Logger } from 'pino';

const RESPONSES: Readonly<Record<ProtocolError, readonly [status: number, message: string]>> = {
  MALFORMED_HTTP: [400, 'The request is not valid HTTP'],
  BODY_NOT_ALLOWED: [400, 'A GET or HEAD request must not have a body'],
  REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
  EXPECTATION_FAILED: [417, 'The Expect header must be 100-continue'],
  HEADERS_TOO_LARGE: [431, 'The request headers are too large, or there are more than 100'],
};

/** Renders protocol errors in the format of Nest's exceptions, and logs each as a request. */
export function reportProtocolErrors(logger: Logger): ReportProtocolError {
  return (error, requestId, request) => {
    const [status, message] = RESPONSES[error];
    logger.info({ requestId, method: request?.method ?? null, route: null, status }, 'request');
    return {
      status,
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ statusCode: status, message, error: STATUS_CODES[status] }),
    };
  };
}
