import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Refusal } from '../requests/request-event.js';

interface ProblemType {
  readonly status: number;
  readonly detail: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Outcome and limit for the request event, if a missing permission or a limit is the cause. */
  readonly refusal?: Refusal | undefined;
}

const FORBIDDEN: Refusal = { outcome: 'forbidden' };

/** All problems of this API. The codes are stable, because clients branch on them. */
export const PROBLEM_TYPES = {
  INVALID_REQUEST: permanent(400, 'The request is not valid'),
  MALFORMED_JSON: permanent(400, 'The request body is not valid JSON'),
  MALFORMED_URL: permanent(400, 'The URL is not validly percent-encoded'),
  MALFORMED_HTTP: permanent(400, 'The request is not valid HTTP'),
  BODY_NOT_ALLOWED: permanent(400, 'A GET or HEAD request must not have a body'),
  INVALID_API_KEY: permanent(401, 'Invalid or missing API key', {
    'www-authenticate': 'ApiKey realm="internal", header="X-API-Key"',
  }),
  INVALID_ACCESS_TOKEN: permanent(401, 'Invalid or missing access token', {
    'www-authenticate': 'Bearer realm="users", error="invalid_token"',
  }),
  INSUFFICIENT_SCOPE: permanent(403, 'The API key lacks the required scope', {}, FORBIDDEN),
  FIELD_NOT_ALLOWED: permanent(403, 'The API key may not use this field of users', {}, FORBIDDEN),
  GRANT_EXCEEDS_CALLER: permanent(
    403,
    'A key can grant only rights that it has itself',
    {},
    FORBIDDEN,
  ),
  ACCESS_NOT_DECLARED: permanent(403, 'No access policy is declared for this route', {}, FORBIDDEN),
  ROUTE_NOT_FOUND: permanent(404, 'There is no such route'),
  USER_NOT_FOUND: permanent(404, 'User not found'),
  API_KEY_NOT_FOUND: permanent(404, 'There is no API key with this id'),
  METHOD_NOT_ALLOWED: permanent(405, 'The route does not support this method'),
  REQUEST_TIMEOUT: temporary(408, 'The request took too long to arrive'),
  EMAIL_TAKEN: permanent(409, 'Another user has this email'),
  USER_ID_TAKEN: permanent(409, 'Another user has this id'),
  USER_HAS_ACCOUNTS: permanent(409, 'A user with accounts cannot be deleted'),
  API_KEY_NOT_ACTIVE: permanent(409, 'A revoked or expired API key cannot be rotated'),
  API_KEY_ALREADY_ROTATED: permanent(409, 'The API key has a successor already'),
  KEY_ENVIRONMENT_MISMATCH: permanent(
    409,
    'Not issued: the running servers do not accept keys of the requested environment',
  ),
  LAST_WAY_IN: permanent(
    409,
    'Not revoked: no other issued key can manage keys, so only a root key can revoke this key',
  ),
  BODY_TOO_LARGE: permanent(413, 'The request body is too large'),
  URL_TOO_LONG: permanent(414, 'The URL is too long'),
  UNSUPPORTED_MEDIA_TYPE: permanent(
    415,
    'The request body must be application/json without a Content-Encoding',
    { 'accept-encoding': 'identity' },
  ),
  EXPECTATION_FAILED: permanent(417, 'The Expect header must be 100-continue'),
  IDEMPOTENCY_KEY_REUSED: permanent(
    422,
    'The Idempotency-Key was used before, for another request',
  ),
  RATE_LIMITED: temporary(429, 'The API key has reached its rate limit', 60, {
    outcome: 'rate-limited',
    limit: 'key-rate',
  }),
  CONCURRENCY_LIMITED: temporary(429, 'The API key has too many requests in progress', 1, {
    outcome: 'rate-limited',
    limit: 'key-concurrency',
  }),
  ENUMERATION_LIMITED: temporary(
    429,
    'The API key has asked for too many different users, or for too many users that do not exist',
    3600,
    { outcome: 'enumeration-limited', limit: 'key-enumeration' },
  ),
  // Not retryable in spite of `retry-after`, because the key will still be wrong.
  TOO_MANY_FAILURES: permanent(
    429,
    'Too many requests with an invalid or missing API key came from this network',
    { 'retry-after': '60' },
    { limit: 'source-failures' },
  ),
  HEADERS_TOO_LARGE: permanent(
    431,
    'The request headers are too large, or there are more than 100',
  ),
  INTERNAL_ERROR: permanent(500, 'The request failed; see the server log for the cause'),
  TOKEN_ISSUER_UNAVAILABLE: temporary(
    503,
    'The token issuer’s signing keys are temporarily unavailable',
    5,
  ),
  KEYS_UNAVAILABLE: temporary(503, 'API key verification is temporarily unavailable', 1),
  OVERLOADED: temporary(503, 'The server is overloaded', 1),
  SCHEMA_OUTDATED: permanent(503, 'The database schema is missing or older than this version'),
  DATABASE_UNAVAILABLE: temporary(503, 'The database is temporarily unavailable', 1),
} as const satisfies Record<string, ProblemType>;

export type ProblemCode = keyof typeof PROBLEM_TYPES;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set if the server refused the request because of a missing permission or a limit. */
    refusal: Refusal | null;
  }
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** Body of an error response (RFC 9457). Loose, because clients must ignore unknown members. */
export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: 'A URN that names an entry of the error reference.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: 'A URN that names the request.' }),
    code: z.string().meta({ description: 'Stable code for clients to branch on.' }),
    retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
    requestId: z.string().meta({ description: 'X-Request-Id of the response; also in the log.' }),
    requiredScope: z.string().optional(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'The invalid parts of the request.' }),
  })
  .meta({ description: 'An error response (RFC 9457).' });

type Problem = z.infer<typeof problemSchema>;

type ProblemExtension = Pick<Problem, 'requiredScope' | 'errors'>;

/** An exception that the server converts into an error response. */
export class ProblemException extends HttpException {
  constructor(
    readonly code: ProblemCode,
    readonly extension: ProblemExtension = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(PROBLEM_TYPES[code].detail, PROBLEM_TYPES[code].status);
  }

  get refusal(): Refusal | null {
    return PROBLEM_TYPES[this.code].refusal ?? null;
  }
}

export function renderProblem(problem: ProblemException, requestId: string) {
  const { status, detail, retryable, headers }: ProblemType = PROBLEM_TYPES[problem.code];
  const body: Problem = {
    type: `urn:latchkey:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title: status === 401 ? 'Unauthorized' : titleOf(problem.code),
    status,
    detail,
    // Not the path, which may contain a user id. Responses to unauthenticated requests must not
    // depend on a user id.
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

export function sendProblem(reply: FastifyReply, problem: ProblemException): void {
  const { status, headers, body } = renderProblem(problem, reply.request.id);
  reply.request.refusal = problem.refusal;
  void reply.code(status).headers(headers).send(body);
}

/** Defines a problem that recurs for the same request until the data, key or server changes. */
function permanent(
  status: number,
  detail: string,
  headers: ProblemType['headers'] = {},
  refusal?: Refusal,
): ProblemType {
  return { status, detail, retryable: false, headers, refusal };
}

/** Defines a problem after which the same request may succeed later. */
function temporary(
  status: number,
  detail: string,
  afterSeconds?: number,
  refusal?: Refusal,
): ProblemType {
  const headers = { ...(afterSeconds && { 'retry-after': String(afterSeconds) }) };
  return { status, detail, retryable: true, headers, refusal };
}

/** Returns the title of a code: `Malformed JSON` for `MALFORMED_JSON`. */
export function titleOf(code: ProblemCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  const sentence = words.charAt(0).toUpperCase() + words.slice(1);
  return sentence.replaceAll(/\b(?:api|http|json|url)\b/gi, (name) => name.toUpperCase());
}
