import { z } from 'zod';

/** The output of a load generator. */
export const loadResultSchema = z.object({
  requests: z.number(),
  requestsPerSecond: z.number(),
  errors: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  p999Ms: z.number(),
});
