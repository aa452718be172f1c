import { z } from 'zod';

/** Roles or permissions. */
export const labelsSchema = z
  .array(z.string().regex(/^[a-z][a-z0-9:_-]{0,63}$/, 'must be a lower-case word'))
  .max(64)
  .refine((labels) => new Set(labels).size === labels.length, 'must not repeat a word');
