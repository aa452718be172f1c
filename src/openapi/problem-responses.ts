import type { OpenAPIObject } from '@nestjs/swagger';
import {
  PROBLEM_TYPES,
  type ProblemCode,
  ProblemException,
  problemSchema,
  renderProblem,
} from '../problems/problem.js';
import type { Scope } from '../api-keys/scopes.js';
import { REQUEST_ID_HEADER } from '@latchkey/logging/request-id';
import { type Schema, toOpenApiSchema } from './schema.js';
import {
  ACCESS_TOKEN_SCHEME,
  API_KEY_SCHEME,
  PROBLEMS_EXTENSION,
  SCOPE_EXTENSION,
} from './operation-metadata.js';

export type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & {
  [PROBLEMS_EXTENSION]?: readonly ProblemCode[];
  [SCOPE_EXTENSION]?: Scope;
};

const TEXT_HEADER = { schema: { type: 'string' } };
const RATE_LIMIT_HEADERS = {
  'ratelimit-policy': {
    ...TEXT_HEADER,
    description: 'The rate limit, such as "default";q=60000;w=60',
  },
  ratelimit: { ...TEXT_HEADER, description: 'Remaining requests, such as "default";r=59999;t=60' },
};
const EXAMPLE_REQUEST_ID = '5f3d1c9e-6f0b-4d0e-9a51-0b8c2f7d4a10';
const EXAMPLE_EXTENSIONS: Partial<Record<ProblemCode, ProblemException['extension']>> = {
  INVALID_REQUEST: { errors: [{ path: 'email', message: 'must be an email address' }] },
  FIELD_NOT_ALLOWED: { errors: [{ path: 'phone', message: 'the key may not use this field' }] },
  GRANT_EXCEEDS_CALLER: {
    errors: [{ path: 'scopes', message: 'the caller does not have the scope keys:write' }],
  },
};

export const problemComponent: Schema = toOpenApiSchema(problemSchema, 'output').schema;

/** Adds a response for each problem of an operation, and the common headers to all responses. */
export function addProblems(method: string, operation: Operation): void {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(method, operation)) {
    const { status } = PROBLEM_TYPES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  for (const [status, codes] of byStatus) {
    // Does not overwrite the 503 response that health routes have declared.
    operation.responses[status] ??= problemResponse(codes, operation);
  }
  const takesKey = operation.security?.some((scheme) => API_KEY_SCHEME in scheme);
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response === undefined || '$ref' in response) continue;
    const isLimited = takesKey && /^(2|429)/.test(status);
    response.headers = {
      ...response.headers,
      ...(isLimited ? RATE_LIMIT_HEADERS : {}),
      [REQUEST_ID_HEADER]: TEXT_HEADER,
    };
  }
}

function problemsOf(method: string, operation: Operation): ProblemCode[] {
  const { parameters = [], requestBody, security = [] } = operation;
  const takes = (scheme: string) => security.some((each) => scheme in each);
  const rules: readonly (readonly [applies: boolean, codes: readonly ProblemCode[]])[] = [
    [parameters.length > 0 || requestBody !== undefined, ['INVALID_REQUEST']],
    [true, operation[PROBLEMS_EXTENSION] ?? []],
    [/^(users|accounts):/.test(operation[SCOPE_EXTENSION] ?? ''), ['ENUMERATION_LIMITED']],
    [parameters.some((each) => 'in' in each && each.in === 'path'), ['MALFORMED_URL']],
    [method === 'get', ['BODY_NOT_ALLOWED']],
    [
      // A DELETE request may have a body, which the server parses but does not use.
      requestBody !== undefined || method === 'delete',
      ['MALFORMED_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
    ],
    [
      takes(API_KEY_SCHEME),
      [
        'INVALID_API_KEY',
        'INSUFFICIENT_SCOPE',
        'RATE_LIMITED',
        'CONCURRENCY_LIMITED',
        'TOO_MANY_FAILURES',
        'KEYS_UNAVAILABLE',
      ],
    ],
    [takes(ACCESS_TOKEN_SCHEME), ['INVALID_ACCESS_TOKEN', 'TOKEN_ISSUER_UNAVAILABLE']],
    [security.length > 0, ['DATABASE_UNAVAILABLE', 'SCHEMA_OUTDATED']],
    [
      true,
      [
        'MALFORMED_HTTP',
        'REQUEST_TIMEOUT',
        'URL_TOO_LONG',
        'EXPECTATION_FAILED',
        'HEADERS_TOO_LARGE',
        'INTERNAL_ERROR',
        'OVERLOADED',
      ],
    ],
  ];
  return rules.flatMap(([applies, codes]) => (applies ? codes : []));
}

function problemResponse(codes: ProblemCode[], operation: Operation) {
  return {
    description: codes.map((code) => PROBLEM_TYPES[code].detail).join('; or: '),
    headers: Object.fromEntries(
      codes
        .flatMap((code) => Object.keys(PROBLEM_TYPES[code].headers))
        .map((name) => [name, TEXT_HEADER]),
    ),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(
          codes.map((code) => [code, { value: example(code, operation) }]),
        ),
      },
    },
  };
}

function example(code: ProblemCode, operation: Operation): unknown {
  const extension =
    code === 'INSUFFICIENT_SCOPE'
      ? { requiredScope: operation[SCOPE_EXTENSION] }
      : EXAMPLE_EXTENSIONS[code];
  return JSON.parse(renderProblem(new ProblemException(code, extension), EXAMPLE_REQUEST_ID).body);
}
