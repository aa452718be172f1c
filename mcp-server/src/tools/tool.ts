import type { ToolAnnotations } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import type { Scope, User } from '../auth/user.js';
import type { CallOptions } from '../backend/backend-transport.js';

/** The injection token for the list of all tools. */
export const TOOLS = Symbol('tools');

/** A tool that a model can call for a user. */
export interface Tool<
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodObject = z.ZodObject,
> {
  readonly name: string;
  readonly title: string;
  /** Tells the model what the tool is for. */
  readonly description: string;
  /** The scope that the user's token must contain. */
  readonly scope: Scope;
  readonly annotations: ToolAnnotations;
  readonly input: Input;
  /** Plain JSON types only: no dates, defaults or transforms, which clients can't check. */
  readonly output: Output;

  /**
   * @returns a sentence for people, and the structured output
   * @throws ToolError for a problem that the user or the model can act on
   */
  run(
    args: z.output<Input>,
    user: User,
    options: CallOptions,
  ): Promise<{ readonly message: string; readonly structured: z.output<Output> }>;
}

/** Returns the tool unchanged; TypeScript infers its types from its schemas. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  tool: Tool<Input, Output>,
): Tool<Input, Output> {
  return tool;
}

/** Ends a tool call with a sentence for the model. The sentence must not contain personal data. */
export class ToolError extends Error {
  override readonly name = 'ToolError';

  /** @param code the outcome of the call in the log */
  constructor(
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
  }
}
