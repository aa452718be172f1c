import { z } from 'zod';

const stateSchema = z.enum(['up', 'down']);

export const livenessSchema = z
  .object({ status: z.literal('up') })
  .meta({ id: 'Liveness', description: 'The process answers.' });

export const readinessSchema = z
  .object({
    status: z.enum(['up', 'down', 'draining']).meta({
      description: '`draining`: it is about to end, and still serves.',
    }),
    checks: z.object({
      database: stateSchema,
      apiKeys: stateSchema.meta({ description: 'Whether issued keys can be verified.' }),
      limits: z.enum(['up', 'degraded']).meta({
        description:
          '`degraded`: Redis is away, so each process counts by itself. It still serves.',
      }),
    }),
  })
  .meta({
    id: 'Readiness',
    description: 'Whether the process can serve, and what it needs for it.',
  });

export type Liveness = z.infer<typeof livenessSchema>;
export type Readiness = z.infer<typeof readinessSchema>;
