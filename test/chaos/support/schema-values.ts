import fc from 'fast-check';
import { z } from 'zod';
import type { OpenApi, Schema } from './contract.js';

const HOSTILE_TEXTS = [
  '',
  ' ',
  '\0',
  '\u202e',
  '\ud800',
  '\r\nX-API-Key: a',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  `' OR 1=1 --`,
  '$where',
  '%00',
  '１',
  '🎉'.repeat(100),
  'é́',
  'x'.repeat(5000),
  '9999-12-31T23:59:59.999Z',
  '0000-01-01T00:00:00Z',
  '2025-02-30T00:00:00Z',
  'a@b.c',
  '::ffff:0.0.0.0/0',
];
const HOSTILE_NUMBERS = [0, -1, -0, 0.5, 1e308, 2 ** 31, 2 ** 53, 2 ** 63, Number.MIN_VALUE];

/** Ids of the users in the database. Requests may delete some of these users. */
export const USER_IDS = Array.from({ length: 12 }, (_, index) => `u${index}`);
const EMAILS = USER_IDS.map((id) => `${id}@example.com`);

export const hostileText = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const shapeSchema = z.object({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  example: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  minimum: z.number().default(-100),
  maximum: z.number().default(100),
  maxItems: z.number().default(3),
  minItems: z.number().default(0),
  items: z.record(z.string(), z.unknown()).default({}),
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  required: z.array(z.string()).default([]),
  anyOf: z.array(z.record(z.string(), z.unknown())).optional(),
});
type Shape = z.infer<typeof shapeSchema>;

const TEXTS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  email: fc.oneof(
    fc.constantFrom(...EMAILS),
    fc.uuid().map((name) => `${name}@example.com`),
  ),
  'date-time': fc
    .date({ min: new Date('2025-01-01'), max: new Date('2028-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  uuid: fc.uuid(),
  cidrv4: fc.constantFrom('10.0.0.0/8', '127.0.0.1/32', '0.0.0.0/0'),
  cidrv6: fc.constantFrom('::/0', 'fd00::/8'),
  ipv4: fc.ipV4(),
  ipv6: fc.ipV6(),
  base64url: fc.base64String({ maxLength: 16 }).map((text) => text.replaceAll(/[+/=]/g, '_')),
};

/** Generates values for the schemas of a document. A few values violate their schema. */
export class SchemaValues {
  constructor(private readonly document: OpenApi) {}

  /** Generates values for a schema; most of them are valid. */
  of(schema: Schema): fc.Arbitrary<unknown> {
    const valid = this.valid(schema);
    return fc.oneof(
      { weight: 40, arbitrary: valid },
      { weight: 1, arbitrary: fc.jsonValue() },
      { weight: 1, arbitrary: hostileText },
      { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_NUMBERS) },
    );
  }

  private valid(schema: Schema): fc.Arbitrary<unknown> {
    const shape = shapeSchema.parse(schema);
    if (shape.$ref !== undefined) return this.valid(this.resolve(shape.$ref));
    if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
    if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map((each) => this.valid(each)));
    const types = [shape.type ?? 'object'].flat();
    return fc.oneof(...types.map((type) => this.ofType(type, shape)));
  }

  private ofType(type: string, shape: Shape): fc.Arbitrary<unknown> {
    switch (type) {
      case 'null':
        return fc.constant(null);
      case 'integer':
        return fc.integer({ min: shape.minimum, max: shape.maximum });
      case 'array':
        return this.ofArray(shape);
      case 'object':
        return this.ofObject(shape);
      default:
        return textOf(shape);
    }
  }

  private ofArray({ items, minItems, maxItems }: Shape): fc.Arbitrary<unknown[]> {
    const maxLength = Math.min(maxItems, 4);
    return fc.oneof(
      { weight: 9, arbitrary: fc.uniqueArray(this.of(items), { minLength: minItems, maxLength }) },
      { weight: 1, arbitrary: fc.array(this.of(items), { maxLength }) },
    );
  }

  private ofObject({ properties, required }: Shape): fc.Arbitrary<unknown> {
    const values = Object.entries(properties).map(([name, each]) => [name, this.of(each)]);
    const fields: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(values);
    const known = fc.record(fields, { requiredKeys: required });
    const extra = fc.dictionary(hostileText, fc.jsonValue(), { maxKeys: 2 });
    return fc.oneof(
      { weight: 9, arbitrary: known },
      { weight: 1, arbitrary: fc.record(fields, { requiredKeys: [] }) },
      { weight: 1, arbitrary: fc.tuple(known, extra).map(([a, b]) => Object.assign(a, b)) },
    );
  }

  private resolve(reference: string): Schema {
    const name = reference.replace('#/components/schemas/', '');
    return this.document.components.schemas[name] ?? {};
  }
}

function textOf({ format = '', pattern, example }: Shape): fc.Arbitrary<string> {
  const known = TEXTS[format];
  if (known !== undefined) return known;
  // The ids match every pattern in openapi.json.
  const word = fc.constantFrom(...USER_IDS);
  if (pattern !== undefined) return word;
  const plain = fc.oneof(word, fc.string({ minLength: 1, maxLength: 30 }));
  if (typeof example !== 'string') return plain;
  return fc.oneof({ weight: 3, arbitrary: fc.constant(example) }, { weight: 1, arbitrary: plain });
}
