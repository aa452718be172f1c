import { z } from 'zod';

/** A list of roles or permissions. */
export const labelsSchema = z
  .array(
    z
      .string()
      .regex(
        /^[a-z][a-z0-9:_-]{0,63}$/,
        'must begin with a letter and have at most 64 characters of a-z, 0-9, :, _ and -',
      ),
  )
  .max(64)
  .refine((labels) => new Set(labels).size === labels.length, 'must not repeat a word');
