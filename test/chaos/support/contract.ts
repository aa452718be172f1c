import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { z } from 'zod';
import { problemSchema } from '../../../src/problems/problem.js';

export const HANG_MS = 1000;

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
// These problems come from the router, the HTTP parser or a size check. The requests that cause
// them belong to no operation of openapi.json.
const UNROUTED_PROBLEMS = new Set([
  '400 MALFORMED_URL',
  '400 MALFORMED_HTTP',
  '400 BODY_NOT_ALLOWED',
  '404 ROUTE_NOT_FOUND',
  '405 METHOD_NOT_ALLOWED',
  '408 REQUEST_TIMEOUT',
  '414 URL_TOO_LONG',
  '417 EXPECTATION_FAILED',
  '431 HEADERS_TOO_LARGE',
]);
const UNROUTED_STATUSES = new Set([...UNROUTED_PROBLEMS].map((name) => parseInt(name, 10)));

const schemaSchema = z.record(z.string(), z.unknown());
const operationSchema = z.object({
  security: z.array(z.record(z.string(), z.unknown())),
  parameters: z
    .array(z.object({ name: z.string(), in: z.string(), schema: schemaSchema }))
    .default([]),
  requestBody: z
    .object({ content: z.object({ 'application/json': z.object({ schema: schemaSchema }) }) })
    .optional(),
  responses: z.record(
    z.string(),
    z.object({ content: z.record(z.string(), z.object({ schema: schemaSchema })).optional() }),
  ),
});
const documentSchema = z.object({
  paths: z.record(z.string(), z.partialRecord(z.enum(METHODS), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), schemaSchema) }),
});

export type Schema = z.infer<typeof schemaSchema>;
export type OpenApi = z.infer<typeof documentSchema>;

export interface Operation extends z.infer<typeof operationSchema> {
  readonly method: string;
  readonly path: string;
}

export interface Sent {
  readonly method: string;
  readonly target: string;
  /** Whether the request has a valid key or token in the required header. */
  readonly isKeyed: boolean;
}

export interface ReceivedResponse {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly ms: number;
}

/** Reads openapi.json. Each call returns a new object, because some tests change it. */
export function readOpenApi(): OpenApi {
  const file = new URL('../../../openapi.json', import.meta.url);
  return documentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** Checks responses against openapi.json and against the rules that apply to every response. */
export class Contract {
  readonly operations: readonly Operation[];
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false });
  private readonly validators = new Map<string, ValidateFunction>();

  constructor({ paths, components }: OpenApi) {
    this.ajv.addSchema({ $id: 'openapi', components });
    this.operations = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) =>
        Object.assign(operation, { method, path }),
      ),
    );
  }

  /** How a response violates the contract; undefined if it does not. */
  findViolation(sent: Sent, received: ReceivedResponse): string | undefined {
    const { status, ms } = received;
    const operation = this.find(sent);
    if (ms > HANG_MS) return `responded after ${Math.round(ms)} ms`;
    if (status >= 500 && codeOf(received) !== 'OVERLOADED') return 'a server error';
    const isPublic = operation?.security.length === 0;
    if (status < 300 && !sent.isKeyed && !isPublic) return 'admitted without a key';
    return operation === undefined
      ? findUnroutedViolation(sent, received)
      : this.findUndocumented(operation, sent, received);
  }

  private find(sent: Sent): Operation | undefined {
    const name = sent.method === 'HEAD' ? 'get' : sent.method.toLowerCase();
    const found = this.ofPath(sent).filter(({ method }) => method === name);
    // A literal path takes precedence over a path with a parameter.
    return found.find(isLiteral) ?? found[0];
  }

  /**
   * The operations whose path matches the target. Decodes each segment separately, because an
   * encoded slash does not separate segments.
   */
  private ofPath({ target }: Sent): Operation[] {
    const [path = ''] = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1);
    const segments = path.split('/').map(decode);
    return this.operations.filter((each) => fits(each, segments));
  }

  private findUndocumented(
    { method, path, responses }: Operation,
    sent: Sent,
    received: ReceivedResponse,
  ): string | undefined {
    const { status, contentType, body } = received;
    const response = responses[status];
    if (response === undefined) {
      // If a literal path such as `/users/search` matches, the router does not try `/users/{id}`,
      // even if the literal path has no route for the method of the request.
      const isShadowed = this.ofPath(sent).some(isLiteral) && path.includes('{');
      return isShadowed ? findUnroutedViolation(sent, received) : 'an undocumented status';
    }
    // A response to HEAD has no body to check. Its headers are not checked either, because they
    // differ between a socket and Fastify's `inject`.
    if (sent.method === 'HEAD') return undefined;
    const mediaType = contentType?.split(';', 1)[0] ?? '';
    const content = response.content?.[mediaType];
    if (content === undefined) {
      const isEmpty = response.content === undefined && body === '';
      return isEmpty ? undefined : 'an undocumented content type';
    }
    const name = [path, method, status, mediaType].join(' ');
    const validate = this.validator(name, content.schema);
    if (validate(parse(body))) return undefined;
    return `an undocumented body: ${this.ajv.errorsText(validate.errors)}`;
  }

  private validator(name: string, schema: Schema): ValidateFunction {
    const known = this.validators.get(name);
    if (known !== undefined) return known;
    const text = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
    const validate = this.ajv.compile(JSON.parse(text));
    this.validators.set(name, validate);
    return validate;
  }
}

function isLiteral({ path }: Operation): boolean {
  return !path.includes('{');
}

function findUnroutedViolation({ method }: Sent, received: ReceivedResponse): string | undefined {
  const isDocumented =
    method === 'HEAD'
      ? UNROUTED_STATUSES.has(received.status)
      : UNROUTED_PROBLEMS.has(`${received.status} ${codeOf(received)}`);
  return isDocumented ? undefined : 'an undocumented response outside all routes';
}

/** The `code` of an error response; undefined for other responses. */
export function codeOf({ body }: Pick<ReceivedResponse, 'body'>): string | undefined {
  return problemSchema.safeParse(parse(body)).data?.code;
}

function fits({ path }: Operation, segments: readonly string[]): boolean {
  const pattern = path.split('/');
  return (
    pattern.length === segments.length &&
    pattern.every((each, index) =>
      each.startsWith('{') ? segments[index] !== '' : each === segments[index],
    )
  );
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
