import { z } from 'zod';

// No control characters, lone surrogates, line separators or invisible formatting, except joiners.
// PostgreSQL refuses some, terminals obey some, and models read some that people cannot see.
const READABLE = /^(?:[^\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}]|[\u200c\u200d])*$/u;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** A line of visible text, trimmed. */
export const readableText = (maximumLength: number) =>
  z
    .string()
    .trim()
    .max(maximumLength)
    .regex(READABLE, 'must not have control or invisible characters')
    .regex(VISIBLE, 'must have a visible character')
    // For the OpenAPI document, which cannot express the pattern.
    .meta({ minLength: 1 });
