import { z } from 'zod';

// Each schema comes after the schemas that it refers to.
const RESPONSES = [
  'User',
  'UserResponse',
  'Account',
  'AccountsResponse',
  'UserWithAccounts',
  'UserPageWithAccounts',
];

// The required fields of these schemas, instead of the document's `required`. All other fields are
// optional: another backend version may lack them, or this server's key has no right to them.
const REQUIRED: Readonly<Record<string, string[]>> = {
  User: ['id'],
  UserPageWithAccounts: ['users'],
  Account: ['type', 'currency', 'balance'],
};

// Strict: a JSON Schema keyword that this script does not translate is an error.
const schemaSchema = z.strictObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).default([]),
  get properties() {
    return z.record(z.string(), schemaSchema).optional();
  },
  required: z.array(z.string()).default([]),
  get items() {
    return schemaSchema.optional();
  },
  enum: z.array(z.string()).optional(),
  format: z.literal('date-time').optional(),
  pattern: z.string().optional(),
  // `false` is not translated: a newer backend may send fields that this server does not know.
  get additionalProperties() {
    return z.union([z.literal(false), schemaSchema]).optional();
  },
  description: z.string().optional(),
  example: z.unknown().optional(),
});
type Schema = z.infer<typeof schemaSchema>;

const documentSchema = z.object({
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

/** Renders TypeScript with a zod schema for each backend response that this server reads. */
export function renderSchemas(document: unknown): string {
  const { schemas } = documentSchema.parse(document).components;
  const declarations = RESPONSES.map((name) => {
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
  if (schema.$ref) return schemaName(schema.$ref.replace('#/components/schemas/', ''));
  const types = [schema.type].flat();
  const source = renderType(types.filter((type) => type !== 'null').join(' or '), schema);
  return types.includes('null') ? `${source}.nullable()` : source;
}

function renderType(type: string, { properties, required, items, ...schema }: Schema): string {
  const { enum: values, additionalProperties: entry } = schema;
  if (values) return `z.enum(${JSON.stringify(values)})`;
  if (type === 'array' && items) return `z.array(${renderSchema(items)})`;
  if (type === 'object' && entry) return `z.record(z.string(), ${renderSchema(entry)})`;
  if (type === 'object' && properties) {
    const fields = Object.entries(properties).map(
      ([name, field]) =>
        `${name}: ${renderSchema(field)}${required.includes(name) ? '' : '.optional()'}`,
    );
    return `z.object({ ${fields.join(', ')} })`;
  }
  if (type !== 'string') throw new Error(`Unknown type: ${type}`);
  if (schema.format) return 'z.iso.datetime()';
  return schema.pattern ? `z.string().regex(/${schema.pattern}/)` : 'z.string()';
}

function schemaName(name: string): string {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}Schema`;
}
