import { applyDecorators } from '@nestjs/common';
import { ApiParam, ApiQuery } from './swagger.js';
import type { z } from 'zod';
import { toOpenApiSchema } from './schema.js';

type Parameters = z.ZodObject<Record<string, z.ZodType>>;

/** Documents the parameters of a handler that has no parameter decorators for them. */
export function ApiParameters(path: Parameters, query: Parameters): MethodDecorator {
  return applyDecorators(
    ...Object.entries(path.shape).map(([name, schema]) => ApiParam({ name, ...describe(schema) })),
    ...Object.entries(query.shape).map(([name, schema]) => ApiQuery({ name, ...describe(schema) })),
  );
}

function describe(schema: z.ZodType) {
  return {
    required: !schema.isOptional(),
    description: schema.description,
    schema: toOpenApiSchema(schema, 'input').schema,
  };
}
