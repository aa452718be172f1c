import { z } from 'zod';

const MAXIMUM = 100;
const DEFAULT = 50;

export const pageLimitSchema = z.int().min(1).max(MAXIMUM).default(DEFAULT).meta({
  description: 'Maximum number of items on the page.',
});

export const pageLimitQuerySchema = z
  .string()
  .transform((text) => (/^\d+$/.test(text) ? Number(text) : text))
  .pipe(z.int().min(1).max(MAXIMUM))
  .meta({
    description: `Maximum number of items on the page. Default: ${DEFAULT}.`,
    type: 'integer',
    minimum: 1,
    maximum: MAXIMUM,
    default: DEFAULT,
  })
  .default(DEFAULT);
