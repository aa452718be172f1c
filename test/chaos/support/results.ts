import { appendFileSync } from 'node:fs';
import { inject } from 'vitest';
import { z } from 'zod';

/** Whether this is a full run, as before a release. */
export const IS_FULL = process.env.FULL === '1';

/** The whole amount in a full run; in CI, the amount divided by `divisor`. */
export function scaled(amount: number, divisor = 10): number {
  return IS_FULL ? amount : Math.ceil(amount / divisor);
}

export const resultSchema = z.object({
  promise: z.string(),
  /** How the test causes the failure. */
  failure: z.string(),
  /** The measured result. */
  result: z.string(),
  /** The measured result without the protection. */
  control: z.string().optional(),
  /** A similar promise or rule of another project. */
  reference: z.string(),
});

export type Result = z.infer<typeof resultSchema>;

/** Appends the result of a test to the file of all results. */
export function record(result: Result): void {
  appendFileSync(inject('chaosResults'), `${JSON.stringify(result)}\n`);
}

export const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
