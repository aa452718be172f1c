import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

export type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;
export type Schema = Schemas[string];

export function resolve(schema: Schema, schemas: Schemas): Exclude<Schema, { $ref: string }> {
  if (!('$ref' in schema)) return schema;
  return resolve(schemas[schema.$ref.replace('#/components/schemas/', '')] ?? {}, schemas);
}

/** Converts a zod schema into an OpenAPI schema and the named components that it refers to. */
export function toOpenApiSchema(schema: z.ZodType, io: 'input' | 'output') {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io,
    override: ({ jsonSchema }) => makePortable(jsonSchema),
  });
  const { definitions = {}, ...converted } = json;
  // JSON.stringify drops zod's internal properties, which are not enumerable.
  const { own, components }: { own: Schema; components: Record<string, object> } = JSON.parse(
    JSON.stringify({ own: converted, components: definitions }),
  );
  return { schema: own, components };
}

/**
 * Removes keywords that code generators do not support. openapi-generator fails on `pattern` beside
 * `format`, and on `uniqueItems` in arrays of enums.
 */
function makePortable(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.format !== undefined) delete schema.pattern;
  // Character classes such as \p{L} need the flag `u`, which JSON Schema cannot express.
  schema.allOf = schema.allOf?.filter(({ pattern }) => pattern?.includes('\\p{') !== true);
  if (!schema.allOf?.length) delete schema.allOf;
  const { items } = schema;
  if (typeof items === 'object' && 'enum' in items) delete schema.uniqueItems;
}
