import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { PROBLEM_TYPES } from '../../src/problems/problem.js';
import { errorLink } from './errors.js';
import { defaultOf, fieldRows, readSchema, valuesOf } from './json-schema.js';
import { block, code, type Content, page, table } from './markdown.js';

const bodySchema = z.object({
  schema: z.unknown(),
  example: z.json().optional(),
});
const operationSchema = z.object({
  summary: z.string(),
  description: z.string(),
  tags: z.tuple([z.string()]),
  security: z.array(z.record(z.string(), z.unknown())),
  'x-required-scope': z.string().optional(),
  parameters: z.array(
    z.object({
      name: z.string(),
      in: z.string(),
      required: z.boolean(),
      description: z.string().default(''),
      schema: z.unknown(),
    }),
  ),
  requestBody: z.object({ content: z.object({ 'application/json': bodySchema }) }).optional(),
  responses: z.record(
    z.string(),
    z.object({
      content: z
        .object({
          'application/json': bodySchema.optional(),
          'application/problem+json': z
            .object({ examples: z.record(z.string(), z.unknown()) })
            .optional(),
        })
        .default({}),
    }),
  ),
});
const documentSchema = z.object({
  tags: z.array(z.object({ name: z.string(), description: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

type Document = z.output<typeof documentSchema>;
type Operation = z.output<typeof operationSchema>;

export async function httpApiPage(): Promise<string> {
  const document = await readDocument();
  const operations = await readOperations();
  const everywhere = codesOfAll(operations.map(({ operation }) => operation));
  const sections = document.tags.map(({ name, description }) => [
    `## ${description}`,
    operations
      .filter(({ operation }) => operation.tags[0] === name)
      .map(({ path, method, operation }) => [
        `### ${operation.summary}`,
        `${code(`${method.toUpperCase()} ${path}`)} – ${accessOf(operation)}`,
        operation.description,
        inputOf(operation, document),
        outputOf(operation),
        errorsOf(operation, everywhere),
      ]),
  ]);
  return page(
    '# HTTP API',
    `This page describes the operations of the backend. [\`openapi.json\`](../../openapi.json) describes
the same operations for programs. Outside production, the backend serves \`openapi.json\` at
\`/api/openapi.json\`, and Swagger UI at \`/api/docs\`.`,
    block('sh', 'curl -s http://127.0.0.1:3000/api/internal/users/12345 -H "X-API-Key: $KEY"'),
    `The bodies of requests and responses are JSON. The backend refuses a request with unknown fields; a
client must ignore unknown fields of a response. Every response has the header \`X-Request-Id\`.
Every operation can respond with these errors: ${links(everywhere)}.`,
    sections,
  );
}

export async function readOperations() {
  const { paths } = await readDocument();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

async function readDocument(): Promise<Document> {
  return documentSchema.parse(JSON.parse(await readFile('openapi.json', 'utf8')));
}

function accessOf({ security, 'x-required-scope': scope }: Operation): string {
  const [requirement] = security;
  if (requirement === undefined) return 'no authentication';
  return scope === undefined ? 'access token of a user' : `API key with the scope ${code(scope)}`;
}

function inputOf({ parameters, requestBody }: Operation, { components }: Document): Content {
  const rows = parameters.map((parameter) => {
    const schema = readSchema(parameter.schema);
    const { name, required, description } = parameter;
    const initial = required ? 'required' : defaultOf(schema);
    return [
      code(name),
      parameter.in,
      valuesOf(schema),
      initial,
      description || (schema.description ?? ''),
    ];
  });
  const body = requestBody?.content['application/json'];
  const fields = body === undefined ? [] : fieldRows(resolve(body.schema, components.schemas));
  for (const [name = '', ...rest] of fields) rows.push([name, 'body', ...rest]);
  return [
    rows.length > 0 ? table(['parameter', 'in', 'values', 'default', 'meaning'], rows) : '',
    exampleOf('Request', body?.example),
  ];
}

function resolve(schema: unknown, schemas: Document['components']['schemas']) {
  const { data } = z.object({ $ref: z.string() }).safeParse(schema);
  return readSchema(data === undefined ? schema : schemas[data.$ref.split('/').at(-1) ?? '']);
}

function outputOf({ responses }: Operation): Content {
  return Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([status, { content }]) => {
      const body = content['application/json'];
      if (body === undefined) return `Response ${status} without a body.`;
      return exampleOf(`Response ${status}`, body.example);
    });
}

function exampleOf(title: string, example: z.output<typeof bodySchema>['example']): Content {
  if (example === undefined) return '';
  return [`${title}:`, block('json', JSON.stringify(example, null, 2))];
}

function errorsOf(operation: Operation, everywhere: readonly string[]): string {
  const own = codesOf(operation).filter((name) => !everywhere.includes(name));
  return own.length === 0 ? '' : `Errors: ${links(own)}.`;
}

function codesOf({ responses }: Operation): string[] {
  return Object.values(responses).flatMap(({ content }) =>
    Object.keys(content['application/problem+json']?.examples ?? {}),
  );
}

function codesOfAll(operations: readonly Operation[]): string[] {
  const lists = operations.map(codesOf);
  return Object.keys(PROBLEM_TYPES).filter((name) => lists.every((codes) => codes.includes(name)));
}

function links(names: readonly string[]): string {
  return names.map((name) => errorLink(name, 'errors.md')).join(', ');
}
