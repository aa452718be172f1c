import { z } from 'zod';

const stateSchema = z.enum(['up', 'down']);

export const livenessSchema = z
  .object({ status: z.literal('up') })
  .meta({ id: 'Liveness', description: 'The process responds.' });

export const readinessSchema = z
  .object({
    status: z.enum(['up', 'down', 'draining']).meta({
      description: '`draining`: the process is shutting down, but still serves requests.',
    }),
    checks: z.object({
      database: stateSchema,
      apiKeys: stateSchema.meta({ description: 'Whether issued keys can be verified.' }),
      limits: z.enum(['up', 'degraded']).meta({
        description: '`degraded`: Redis is unavailable, so each process enforces limits by itself.',
      }),
    }),
    version: z.string().optional().meta({
      description:
        'Version of the server. Only in responses of `/api/health` to requests with a valid key.',
    }),
  })
  .meta({
    id: 'Readiness',
    description: 'Whether the process can serve requests, and the state of its dependencies.',
  });

export type Liveness = z.infer<typeof livenessSchema>;
export type Readiness = z.infer<typeof readinessSchema>;
