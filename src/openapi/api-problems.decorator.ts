import { ApiExtension } from './swagger.js';
import type { ProblemCode } from '../problems/problem.js';

export const PROBLEMS_EXTENSION = 'x-problem-codes';

/** Declares the problems that are a route's own; the document adds those that any route may answer with. */
export const ApiProblems = (...codes: ProblemCode[]) => ApiExtension(PROBLEMS_EXTENSION, codes);
