import { z } from 'zod';

// Excludes control characters, lone surrogates, line separators and invisible formatting except
// joiners: PostgreSQL refuses some, terminals execute some, and language models read hidden ones.
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
    // The OpenAPI document cannot express the patterns, so it states only a minimum length.
    .meta({ minLength: 1 });
