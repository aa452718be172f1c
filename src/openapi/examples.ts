import type { Operation } from './problem-responses.js';
import { type Schema, type Schemas, resolve } from './schema.js';

/** Adds an example to each JSON body of an operation, except problems (see `addProblems`). */
export function addExamples({ requestBody, responses }: Operation, schemas: Schemas): void {
  for (const part of [requestBody, ...Object.values(responses)]) {
    if (part === undefined || '$ref' in part) continue;
    const media = part.content?.['application/json'];
    if (media?.schema !== undefined) media.example ??= exampleOf(media.schema, schemas);
  }
}

/** Assembles the example of a schema from the examples of its parts. */
function exampleOf(reference: Schema, schemas: Schemas): unknown {
  const schema = resolve(reference, schemas);
  const { properties, items, type = 'string' } = schema;
  const given = schema.example ?? schema.default ?? schema.enum?.[0];
  if (given !== undefined) return given;
  if (items !== undefined) return [exampleOf(items, schemas)];
  if (properties !== undefined) {
    const members = Object.entries(properties);
    return Object.fromEntries(members.map(([name, part]) => [name, exampleOf(part, schemas)]));
  }
  const [part] = schema.allOf ?? schema.anyOf ?? [];
  if (part !== undefined) return exampleOf(part, schemas);
  if (type.includes('null')) return null;
  return { integer: 1, number: 1, boolean: true }[String(type)] ?? 'text';
}
