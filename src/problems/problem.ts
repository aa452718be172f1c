import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Refusal } from '../requests/request-event.js';

/** What a problem code stands for. `detail` is what a client shows when nothing more exact is known. */
interface ProblemType {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** How the refusal is recorded: for all problems that refuse a good key or exceed a limit. */
  readonly refusal?: Refusal;
}

const FORBIDDEN: Refusal = { outcome: 'forbidden' };

/** Every problem that this API answers with. The codes are stable: clients branch on them. */
export const PROBLEM_TYPES = {
  INVALID_REQUEST: problemType(400, 'Invalid request', 'The request is not valid'),
  MALFORMED_JSON: problemType(400, 'Malformed JSON', 'The request body is not valid JSON'),
  MALFORMED_URL: problemType(400, 'Malformed URL', 'The URL is not validly percent-encoded'),
  MALFORMED_HTTP: problemType(400, 'Malformed HTTP', 'The request is not valid HTTP'),
  INVALID_API_KEY: problemType(401, 'Unauthorized', 'Invalid or missing API key', {
    headers: { 'www-authenticate': 'ApiKey realm="internal", header="X-API-Key"' },
  }),
  INVALID_ACCESS_TOKEN: problemType(401, 'Unauthorized', 'Invalid or missing access token', {
    headers: { 'www-authenticate': 'Bearer realm="users", error="invalid_token"' },
  }),
  INSUFFICIENT_SCOPE: problemType(
    403,
    'Insufficient scope',
    'The API key lacks the required scope',
    { refusal: FORBIDDEN },
  ),
  FIELD_NOT_ALLOWED: problemType(
    403,
    'Field not allowed',
    'The API key may not use this field of users',
    { refusal: FORBIDDEN },
  ),
  GRANT_EXCEEDS_CALLER: problemType(
    403,
    'Grant exceeds caller',
    'A key can only grant what it holds itself',
    { refusal: FORBIDDEN },
  ),
  ACCESS_NOT_DECLARED: problemType(403, 'Forbidden', 'This route is open to nobody', {
    refusal: FORBIDDEN,
  }),
  ROUTE_NOT_FOUND: problemType(404, 'Route not found', 'There is no such route'),
  USER_NOT_FOUND: problemType(404, 'User not found', 'User not found'),
  API_KEY_NOT_FOUND: problemType(404, 'API key not found', 'There is no API key with this id'),
  METHOD_NOT_ALLOWED: problemType(
    405,
    'Method not allowed',
    'The route exists, with other methods',
  ),
  REQUEST_TIMEOUT: problemType(408, 'Request time-out', 'The request took too long to arrive', {
    retryable: true,
  }),
  EMAIL_TAKEN: problemType(409, 'Email taken', 'Another user has this email'),
  USER_ID_TAKEN: problemType(409, 'User id taken', 'Another user has this id'),
  USER_HAS_ACCOUNTS: problemType(
    409,
    'User has accounts',
    'A user with accounts cannot be deleted',
  ),
  API_KEY_NOT_ACTIVE: problemType(
    409,
    'API key not active',
    'The API key has ended, so it can have no successor',
  ),
  API_KEY_ALREADY_ROTATED: problemType(
    409,
    'API key already rotated',
    'The API key has a successor already',
  ),
  KEY_ENVIRONMENT_MISMATCH: problemType(
    409,
    'Key environment mismatch',
    'No running server would accept the key',
  ),
  LAST_WAY_IN: problemType(
    409,
    'Last way in',
    'It is the last issued API key that can manage keys: revoke it with a root key',
  ),
  BODY_TOO_LARGE: problemType(413, 'Body too large', 'The request body is too large'),
  URL_TOO_LONG: problemType(414, 'URL too long', 'The URL is too long'),
  UNSUPPORTED_MEDIA_TYPE: problemType(
    415,
    'Unsupported media type',
    'The request body must be application/json',
  ),
  EXPECTATION_FAILED: problemType(417, 'Expectation failed', 'Only 100-continue can be expected'),
  IDEMPOTENCY_KEY_REUSED: problemType(
    422,
    'Idempotency key reused',
    'The Idempotency-Key was used before, for another request',
  ),
  RATE_LIMITED: problemType(429, 'Rate limited', 'The API key has no requests left for now', {
    refusal: { outcome: 'rate-limited', limit: 'key-rate' },
    retryable: true,
    headers: { 'retry-after': '60' },
  }),
  CONCURRENCY_LIMITED: problemType(
    429,
    'Concurrency limited',
    'The API key has too many requests in progress',
    {
      refusal: { outcome: 'rate-limited', limit: 'key-concurrency' },
      retryable: true,
      headers: { 'retry-after': '1' },
    },
  ),
  ENUMERATION_LIMITED: problemType(
    429,
    'Enumeration limited',
    'The API key has asked for too many different users, or for too many that do not exist',
    {
      refusal: { outcome: 'enumeration-limited', limit: 'key-enumeration' },
      retryable: true,
      headers: { 'retry-after': '3600' },
    },
  ),
  // Not retryable: the same key will be as wrong later.
  TOO_MANY_FAILURES: problemType(
    429,
    'Too many failures',
    'Too many requests with an invalid or missing API key came from this address',
    { refusal: { limit: 'source-failures' }, headers: { 'retry-after': '60' } },
  ),
  HEADERS_TOO_LARGE: problemType(
    431,
    'Headers too large',
    'The request headers are too large or more than 100',
  ),
  INTERNAL_ERROR: problemType(500, 'Internal error', 'The request failed; the log has the cause'),
  TOKEN_ISSUER_UNAVAILABLE: problemType(
    503,
    'Token issuer unavailable',
    'The keys of the token issuer cannot be had at the moment',
    { retryable: true, headers: { 'retry-after': '5' } },
  ),
  KEYS_UNAVAILABLE: problemType(
    503,
    'Keys unavailable',
    'It cannot be told at the moment whether the API key is still good',
    { retryable: true, headers: { 'retry-after': '1' } },
  ),
  OVERLOADED: problemType(503, 'Overloaded', 'There are more requests than can be answered soon', {
    retryable: true,
    headers: { 'retry-after': '1' },
  }),
  DATABASE_UNAVAILABLE: problemType(
    503,
    'Database unavailable',
    'The database cannot be reached at the moment',
    { retryable: true, headers: { 'retry-after': '1' } },
  ),
} as const satisfies Record<string, ProblemType>;

export type ProblemCode = keyof typeof PROBLEM_TYPES;

declare module 'fastify' {
  interface FastifyRequest {
    /** Why a good key was refused, or which limit refused the request; null if neither. */
    refusal: Refusal | null;
  }
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** The body of every error answer (RFC 9457). */
// Loose, since RFC 9457 has clients ignore what they don't know.
export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: 'Identifies the kind of problem.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: 'Identifies this occurrence.' }),
    code: z.string().meta({ description: 'Stable; the one to branch on.' }),
    retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
    requestId: z.string().meta({ description: 'The answer’s X-Request-Id; the log has it too.' }),
    requiredScope: z.string().optional(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'What is wrong with the request, place by place.' }),
  })
  .meta({ description: 'An error answer (RFC 9457).' });

type Problem = z.infer<typeof problemSchema>;

type ProblemExtension = Pick<Problem, 'requiredScope' | 'errors'>;

/** Thrown anywhere in a request to answer it with a problem. */
export class ProblemException extends HttpException {
  constructor(
    readonly code: ProblemCode,
    readonly extension: ProblemExtension = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(PROBLEM_TYPES[code].detail, PROBLEM_TYPES[code].status);
  }

  get refusal(): Refusal | null {
    const { refusal }: ProblemType = PROBLEM_TYPES[this.code];
    return refusal ?? null;
  }
}

/** The status, headers and JSON text that answer a request with a problem. */
export function renderProblem(problem: ProblemException, requestId: string) {
  const { status, title, detail, retryable, headers }: ProblemType = PROBLEM_TYPES[problem.code];
  const body: Problem = {
    type: `urn:latchkey:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    detail,
    // Not the path: an unauthenticated answer must be the same whatever id was asked for.
    instance: `urn:latchkey:request:${requestId}`,
    code: problem.code,
    retryable,
    requestId,
    ...problem.extension,
  };
  return {
    status,
    headers: { 'content-type': PROBLEM_CONTENT_TYPE, ...headers, ...problem.headers },
    body: JSON.stringify(body),
  };
}

/** Sends a problem as the answer of a request. */
export function sendProblem(reply: FastifyReply, problem: ProblemException): void {
  const { status, headers, body } = renderProblem(problem, reply.request.id);
  reply.request.refusal = problem.refusal;
  void reply.code(status).headers(headers).send(body);
}

function problemType(
  status: number,
  title: string,
  detail: string,
  rest: Partial<Pick<ProblemType, 'retryable' | 'headers' | 'refusal'>> = {},
): ProblemType {
  return { status, title, detail, retryable: false, ...rest };
}
