import { z } from 'zod';

// Excludes control characters, lone surrogates, line separators and format characters, except two
// joiners. PostgreSQL refuses some of the excluded characters, and terminals execute others.
// Language models read invisible format characters, but people do not see them.
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
