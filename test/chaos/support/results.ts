import { appendFileSync } from 'node:fs';
import { inject } from 'vitest';
import { z } from 'zod';

/** The whole of it, as for a release. */
export const IS_FULL = process.env.FULL === '1';

/** So many in CI, and ten times as many for a release. */
export function scaled(full: number, part = 10): number {
  return IS_FULL ? full : Math.ceil(full / part);
}

export const resultSchema = z.object({
  promise: z.string(),
  /** How it is broken. */
  broken: z.string(),
  /** The measured figure. */
  figure: z.string(),
  /** The measured figure without the protection. */
  control: z.string().optional(),
  anchor: z.string(),
});

export type Result = z.infer<typeof resultSchema>;

/** Notes what a test has measured, for the table. */
export function record(result: Result): void {
  appendFileSync(inject('chaosResults'), `${JSON.stringify(result)}\n`);
}

export const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
