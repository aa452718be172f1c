import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ProblemException } from './problem.js';

/** Turns what a schema found wrong with a request into a problem that names every place. */
export function invalidRequest(issues: readonly StandardSchemaV1.Issue[]): ProblemException {
  const errors = issues.map(({ path = [], message }) => ({
    path: path.map(segment).join('.'),
    message,
  }));
  return new ProblemException('INVALID_REQUEST', { errors });
}

function segment(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof part === 'object' ? part.key : part);
}
