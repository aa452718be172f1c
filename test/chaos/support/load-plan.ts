import { z } from 'zod';

export const loadPlanSchema = z.object({
  host: z.string().default('127.0.0.1'),
  port: z.int(),
  path: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  connections: z.int(),
  /** `closed`: each connection sends its next request when the previous response has arrived. */
  ratePerSecond: z.union([z.number(), z.literal('closed')]),
  seconds: z.number(),
  /** A second load, which follows immediately over the same connections. */
  afterwards: z.object({ ratePerSecond: z.number(), seconds: z.number() }).optional(),
  /** A 2xx response counts as good only if it arrives within this time. */
  goodWithinMs: z.number().default(250),
});

export const loadReportSchema = z.object({
  goodPerSecond: z.number(),
  /** Good responses in each second of `afterwards`. */
  successesAfterwards: z.array(z.number()),
  /** The actual rate: lower than the planned rate if at times all connections were busy. */
  sentPerSecond: z.number(),
  /** Requests without a response 3 s after the end of the load. */
  pending: z.number(),
  /** Responses by status; 0 stands for a broken connection. Latencies in milliseconds. */
  statuses: z.record(
    z.string(),
    z.object({ count: z.number(), p50: z.number(), p99: z.number(), max: z.number() }),
  ),
});

export type LoadPlan = z.output<typeof loadPlanSchema>;
export type LoadReport = z.output<typeof loadReportSchema>;
