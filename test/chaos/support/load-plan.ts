import { z } from 'zod';

export const loadPlanSchema = z.object({
  host: z.string().default('127.0.0.1'),
  port: z.int(),
  path: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  connections: z.int(),
  /** `closed`: each connection sends its next request when it has its answer. */
  ratePerSecond: z.union([z.number(), z.literal('closed')]),
  seconds: z.number(),
  /** The load that follows at once over the same connections. */
  afterwards: z.object({ ratePerSecond: z.number(), seconds: z.number() }).optional(),
  /** A later answer is worth nothing. */
  goodWithinMs: z.number().default(250),
});

export const loadReportSchema = z.object({
  goodPerSecond: z.number(),
  /** In each second of what comes afterwards. */
  goodAfterwards: z.array(z.number()),
  /** Fewer than the plan's rate where no connection was free for them. */
  sentPerSecond: z.number(),
  /** Requests without an answer three seconds after the end. */
  pending: z.number(),
  /** By status; 0 where the connection broke. Times in milliseconds. */
  statuses: z.record(
    z.string(),
    z.object({ count: z.number(), p50: z.number(), p99: z.number(), max: z.number() }),
  ),
});

export type LoadPlan = z.output<typeof loadPlanSchema>;
export type LoadReport = z.output<typeof loadReportSchema>;
