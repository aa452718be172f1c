import { networkBlock } from '@latchkey/environment/variables';
import { z } from 'zod';
import { code } from './markdown.js';

/** The keywords of JSON Schema that the pages show. */
const nodeSchema = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.string()).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  maxLength: z.int().optional(),
  default: z.json().optional(),
  description: z.string().optional(),
  required: z.array(z.string()).default([]),
  get items() {
    return nodeSchema.optional();
  },
  get anyOf() {
    return z.array(nodeSchema).default([]);
  },
  get properties() {
    return z.record(z.string(), nodeSchema).default({});
  },
});

const CONVERSION: z.core.ToJSONSchemaParams = {
  unrepresentable: 'any',
  // Zod cannot convert `networkBlock`, because it contains a transformation.
  override: ({ zodSchema, jsonSchema }) => {
    if (zodSchema === networkBlock)
      Object.assign(jsonSchema, { type: 'string', format: 'CIDR blocks' });
  },
};

export type JsonSchema = z.output<typeof nodeSchema>;

/** Parses a JSON Schema, or converts a zod schema. */
export function readSchema(schema: unknown): JsonSchema {
  const isZod = schema instanceof z.ZodType;
  return nodeSchema.parse(isZod ? z.toJSONSchema(schema, CONVERSION) : schema);
}

/** The permitted values, such as ``list of `a`, `b` `` or `1–100`. */
export function valuesOf(schema: JsonSchema): string {
  const { enum: words, items, anyOf, minimum, maximum, maxLength, format, pattern } = schema;
  if (words !== undefined) return words.map(code).join(', ');
  if (items !== undefined) return `list of ${valuesOf(items)}`;
  if (anyOf.length > 0) return anyOf.map(valuesOf).join(' or ');
  const types = [schema.type ?? []].flat();
  const fields = Object.keys(schema.properties);
  if (fields.length > 0) return `object with ${fields.map(code).join(', ')}`;
  if (minimum !== undefined && Number.isSafeInteger(maximum)) {
    return [minimum, maximum].map((bound) => bound?.toLocaleString('en')).join('–');
  }
  const length = maxLength === undefined ? '' : `, at most ${maxLength} characters`;
  const kind = format ?? (pattern === undefined ? undefined : code(pattern));
  return types.map((type) => (type === 'string' ? (kind ?? type) + length : type)).join(' or ');
}

/** The default as code, or an empty text. */
export function defaultOf({ default: initial }: JsonSchema): string {
  if (initial === undefined) return '';
  const text = typeof initial === 'string' ? initial : JSON.stringify(initial);
  return text === '[]' ? '' : code(text);
}

/** A row for each field of an object: name, values, default or `required`, meaning. */
export function fieldRows({ properties, required }: JsonSchema): string[][] {
  return Object.entries(properties).map(([name, schema]) => [
    code(name),
    valuesOf(schema),
    required.includes(name) ? 'required' : defaultOf(schema),
    schema.description ?? '',
  ]);
}
