import type { z } from 'zod';

/** The problem of a variable, without its value. */
export type VariableProblem = readonly [variable: string, message: string];

/** For `superRefine`: rules between variables, each reported at its variable. */
export function reportProblems<Value>(findProblems: (value: Value) => Iterable<VariableProblem>) {
  return (value: Value, context: z.core.$RefinementCtx<Value>): void => {
    for (const [name, message] of findProblems(value)) {
      context.addIssue({ code: 'custom', path: [name], message });
    }
  };
}

/** For `superRefine`: also runs when a variable is invalid, so that every problem is listed. */
export const always = { when: () => true };
