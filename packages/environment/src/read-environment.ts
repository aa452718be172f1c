import { readFileSync } from 'node:fs';
import type { z } from 'zod';

/** The environment is invalid. `problems` has one line per problem and never quotes a value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
}

/** A variable and what is wrong with it. The message never quotes the value. */
export type VariableProblem = readonly [variable: string, message: string];

/** Creates a function for zod's `superRefine` that reports each problem at its variable. */
export function reportProblems<Value>(findProblems: (value: Value) => Iterable<VariableProblem>) {
  return (value: Value, context: z.core.$RefinementCtx<Value>): void => {
    for (const [name, message] of findProblems(value)) {
      context.addIssue({ code: 'custom', path: [name], message });
    }
  };
}

/** Makes `superRefine` run even if a variable is invalid, so that every problem is listed. */
export const always = { when: () => true };

/**
 * Reads a configuration from environment variables. A variable in `secrets` may instead be given as
 * `<NAME>_FILE`, the path of a file with its value.
 * @throws EnvironmentError with every problem found
 */
export function readEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  secrets: readonly string[],
  variables: NodeJS.ProcessEnv,
): z.output<Schema> {
  // An empty variable counts as absent, so that `NAME=` in an env file means "the default".
  const present = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const { resolved, problems } = readSecretFiles(secrets, present);
  const result = schema.safeParse(resolved);
  const issues = result.error?.issues ?? [];
  const all = [...problems, ...issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)];
  if (!result.success || all.length > 0) throw new EnvironmentError(all);
  return result.data;
}

function readSecretFiles(secrets: readonly string[], variables: NodeJS.ProcessEnv) {
  const resolved = { ...variables };
  const problems: string[] = [];
  for (const name of secrets) {
    const path = variables[`${name}_FILE`];
    if (path === undefined) continue;
    if (variables[name] !== undefined)
      problems.push(`${name}_FILE: set ${name} or ${name}_FILE, not both`);
    const text = readText(path);
    if (text === undefined) problems.push(`${name}_FILE: the file cannot be read`);
    else if (text === '') problems.push(`${name}_FILE: the file is empty`);
    else resolved[name] = text;
  }
  return { resolved, problems };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
