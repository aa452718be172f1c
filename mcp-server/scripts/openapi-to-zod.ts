import { z } from 'zod';

// In this order: a schema comes after those that it refers to.
const ANSWERS = ['User', 'UserAnswer', 'UserPage', 'Account', 'AccountsAnswer'];

// The backend leaves out the fields of a user that the caller's key may not read.
const REQUIRED: Readonly<Record<string, string[]>> = { User: ['id'] };

interface Schema {
  readonly $ref?: string | undefined;
  readonly type?: string | string[] | undefined;
  readonly properties?: Record<string, Schema> | undefined;
  readonly required?: string[] | undefined;
  readonly items?: Schema | undefined;
  readonly enum?: string[] | undefined;
  readonly format?: string | undefined;
  readonly pattern?: string | undefined;
}

// Strict: a keyword that isn't translated below must not pass for one that is.
const schemaSchema: z.ZodType<Schema> = z.lazy(() =>
  z.strictObject({
    $ref: z.string().optional(),
    type: z.union([z.string(), z.array(z.string())]).optional(),
    properties: z.record(z.string(), schemaSchema).optional(),
    required: z.array(z.string()).optional(),
    // Not translated on purpose: a newer backend may answer with fields that this server doesn't know.
    additionalProperties: z.literal(false).optional(),
    items: schemaSchema.optional(),
    enum: z.array(z.string()).optional(),
    format: z.literal('date-time').optional(),
    pattern: z.string().optional(),
    description: z.string().optional(),
    example: z.unknown().optional(),
  }),
);

const documentSchema = z.object({
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

/** The TypeScript source of a zod schema for each answer of the backend that this server reads. */
export function renderSchemas(document: unknown): string {
  const { schemas } = documentSchema.parse(document).components;
  const declarations = ANSWERS.map((name) => {
    const schema = schemaSchema.parse(schemas[name]);
    const source = renderSchema({ ...schema, required: REQUIRED[name] ?? schema.required });
    return `export const ${schemaName(name)} = ${source};
export type ${name} = z.infer<typeof ${schemaName(name)}>;`;
  });
  return `// Generated from openapi.json by "npm run generate -w @latchkey/mcp-server".
import { z } from 'zod';

${declarations.join('\n\n')}\n`;
}

function renderSchema(schema: Schema): string {
  if (schema.$ref !== undefined)
    return schemaName(schema.$ref.replace('#/components/schemas/', ''));
  const types = [schema.type ?? []].flat();
  const [type, ...others] = types.filter((each) => each !== 'null');
  if (type === undefined || others.length > 0) throw new Error(`Unknown type: ${types.join(', ')}`);
  const source = renderType(type, schema);
  return types.includes('null') ? `${source}.nullable()` : source;
}

function renderType(type: string, schema: Schema): string {
  if (schema.enum !== undefined) return `z.enum(${JSON.stringify(schema.enum)})`;
  if (type === 'array' && schema.items) return `z.array(${renderSchema(schema.items)})`;
  if (type === 'object' && schema.properties)
    return renderObject(schema.properties, schema.required);
  if (type !== 'string') throw new Error(`Unknown type: ${type}`);
  if (schema.format === 'date-time') return 'z.iso.datetime()';
  if (schema.pattern !== undefined) return `z.string().regex(/${schema.pattern}/)`;
  return 'z.string()';
}

function renderObject(properties: Record<string, Schema>, required: string[] = []): string {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const optional = required.includes(name) ? '' : '.optional()';
    return `${name}: ${renderSchema(schema)}${optional}`;
  });
  return `z.object({ ${fields.join(', ')} })`;
}

function schemaName(name: string): string {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}Schema`;
}
