import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { z } from 'zod';
import { ProblemException } from './problem.js';

/** Converts a schema's issues into a problem that names every invalid field. */
export function invalidRequest(issues: readonly StandardSchemaV1.Issue[]): ProblemException {
  const errors = issues.map(({ path = [], message }) => ({
    path: path.map(segment).join('.'),
    message,
  }));
  return new ProblemException('INVALID_REQUEST', { errors });
}

/** Parses a value with a schema. @throws ProblemException `INVALID_REQUEST` */
export function validated<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw invalidRequest(error.issues);
}

function segment(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof part === 'object' ? part.key : part);
}
