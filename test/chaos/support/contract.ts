import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { z } from 'zod';
import { problemSchema } from '../../../src/problems/problem.js';

export const HANG_MS = 1000;

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
// Responses without an operation in the document: refusals by the router, the parser and the
// limits.
const PROBLEMS_OF_NO_ROUTE = new Set([
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
const STATUSES_OF_NO_ROUTE = new Set([...PROBLEMS_OF_NO_ROUTE].map((name) => parseInt(name, 10)));

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
  /** Whether it carries a key or a token that is good, in the way that it has to be carried. */
  readonly isKeyed: boolean;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly ms: number;
}

/** The committed document, anew each time, so that a control may change it. */
export function readOpenApi(): OpenApi {
  const file = new URL('../../../openapi.json', import.meta.url);
  return documentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** The promises of openapi.json, and the rules for every response. */
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

  /** Says how an answer breaks the contract; undefined if it keeps it. */
  findViolation(sent: Sent, answer: Answer): string | undefined {
    const { status, ms } = answer;
    const operation = this.find(sent);
    if (ms > HANG_MS) return `answered after ${Math.round(ms)} ms`;
    if (status >= 500 && codeOf(answer) !== 'OVERLOADED') return 'a server error';
    const isPublic = operation?.security.length === 0;
    if (status < 300 && !sent.isKeyed && !isPublic) return 'let in without a key';
    return operation === undefined
      ? findUnroutedViolation(sent, answer)
      : this.findUndocumented(operation, sent, answer);
  }

  private find(sent: Sent): Operation | undefined {
    const name = sent.method === 'HEAD' ? 'get' : sent.method.toLowerCase();
    const found = this.ofPath(sent).filter(({ method }) => method === name);
    // A literal path wins over one with a parameter.
    return found.find(isLiteral) ?? found[0];
  }

  /** A path's segments count as decoded, but what is encoded in a segment divides none. */
  private ofPath({ target }: Sent): Operation[] {
    const [path = ''] = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1);
    const segments = path.split('/').map(decode);
    return this.operations.filter((each) => fits(each, segments));
  }

  private findUndocumented(
    { method, path, responses }: Operation,
    sent: Sent,
    answer: Answer,
  ): string | undefined {
    const { status, contentType, body } = answer;
    const response = responses[status];
    if (response === undefined) {
      // A literal path without this method has no value of the other path's parameter.
      const isShadowed = this.ofPath(sent).some(isLiteral) && path.includes('{');
      return isShadowed ? findUnroutedViolation(sent, answer) : 'an undocumented status';
    }
    // The headers of a body: `inject` sets them, and Node leaves them out.
    if (sent.method === 'HEAD') return undefined;
    const mediaType = contentType?.split(';', 1)[0] ?? '';
    const content = response.content?.[mediaType];
    if (content === undefined) {
      const isEmpty = response.content === undefined && body === '';
      return isEmpty ? undefined : 'an undocumented content type';
    }
    const place = [path, method, status, mediaType].join(' ');
    const validate = this.validator(place, content.schema);
    if (validate(parse(body))) return undefined;
    return `an undocumented body: ${this.ajv.errorsText(validate.errors)}`;
  }

  private validator(place: string, schema: Schema): ValidateFunction {
    const known = this.validators.get(place);
    if (known !== undefined) return known;
    const text = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
    const validate = this.ajv.compile(JSON.parse(text));
    this.validators.set(place, validate);
    return validate;
  }
}

function isLiteral({ path }: Operation): boolean {
  return !path.includes('{');
}

function findUnroutedViolation({ method }: Sent, answer: Answer): string | undefined {
  const isDocumented =
    method === 'HEAD'
      ? STATUSES_OF_NO_ROUTE.has(answer.status)
      : PROBLEMS_OF_NO_ROUTE.has(`${answer.status} ${codeOf(answer)}`);
  return isDocumented ? undefined : 'an undocumented answer outside all routes';
}

/** Of an answer that is a problem. */
export function codeOf({ body }: Pick<Answer, 'body'>): string | undefined {
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
