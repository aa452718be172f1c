import type { z } from 'zod';

/** Describes the problem of a variable without its value. */
export type VariableProblem = readonly [variable: string, message: string];

/** For `superRefine`: rules between variables, each problem at the variable it is about. */
export function reportProblems<Value>(findProblems: (value: Value) => Iterable<VariableProblem>) {
  return (value: Value, context: z.core.$RefinementCtx<Value>): void => {
    for (const [name, message] of findProblems(value)) {
      context.addIssue({ code: 'custom', path: [name], message });
    }
  };
}

/** For `superRefine`: also when a variable is wrong by itself, so that every problem is listed at once. */
export const always = { when: () => true };
