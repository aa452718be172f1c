import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type { z } from 'zod';

/** A schema whose JSON Schema is made once: the MCP SDK asks for it anew for each request. */
export function prepareSchema<Schema extends z.ZodObject>(
  schema: Schema,
): StandardSchemaWithJSON<z.input<Schema>, z.output<Schema>> {
  const { jsonSchema, ...standard } = schema['~standard'];
  const target = { target: 'draft-2020-12' } as const;
  const input = jsonSchema.input(target);
  const output = jsonSchema.output(target);
  return { '~standard': { ...standard, jsonSchema: { input: () => input, output: () => output } } };
}
