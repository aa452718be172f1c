import { ApiParam } from './swagger.js';
import { z } from 'zod';

/** Documents a parameter of the path that a handler takes from the request by itself. */
export function ApiPathParameter(name: string, schema: z.ZodType): MethodDecorator {
  const documented = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { target: 'openapi-3.0' })));
  return ApiParam({ name, description: schema.description, schema: documented });
}
