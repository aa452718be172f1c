import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type z } from 'zod';
import { type LoadReport, type loadPlanSchema, loadReportSchema } from './load-plan.js';

const GENERATOR = fileURLToPath(new URL('load-generator.ts', import.meta.url));
const run = promisify(execFile);

/** Sends load to a server from another process and returns its report. */
export async function load(plan: z.input<typeof loadPlanSchema>): Promise<LoadReport> {
  const args = ['--import', 'tsx', GENERATOR, JSON.stringify(plan)];
  const { stdout } = await run(process.execPath, args);
  return loadReportSchema.parse(JSON.parse(stdout));
}
