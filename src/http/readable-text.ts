import { z } from 'zod';

// No control characters, lone surrogates, line separators or invisible formatting (but for the joiners that some scripts
// need): PostgreSQL refuses some, terminals obey others, and models read what people can't see.
const READABLE = /^(?:[^\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}]|[\u200c\u200d])*$/u;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** A line of text that people can read in full; blanks around it don't count. */
export const readableText = (maximumLength: number) =>
  z
    .string()
    .trim()
    .max(maximumLength)
    .regex(READABLE, 'must not have control or invisible characters')
    .regex(VISIBLE, 'must have a visible character')
    // For the OpenAPI document, which cannot express the pattern.
    .meta({ minLength: 1 });
