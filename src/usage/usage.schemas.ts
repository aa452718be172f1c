import { z } from 'zod';
import { DAY_MS, HOUR_MS, timestampSchema } from '../time.js';

const DEFAULT_HOURS = 24;
export const MAX_DAYS = 31;

const timeSchema = timestampSchema
  .transform((text) => new Date(text))
  .refine((time) => time.getTime() >= 0, 'must not be before 1970');

/** The period to report. Usage is stored per hour, so `from` is rounded down to the hour. */
export const usageQuerySchema = z
  .strictObject({
    from: timeSchema.optional().meta({
      type: 'string',
      format: 'date-time',
      description: `Start, rounded down to the hour. Default: ${DEFAULT_HOURS} hours before \`to\`.`,
    }),
    to: timeSchema
      .optional()
      .meta({ type: 'string', format: 'date-time', description: 'End. Default: now.' }),
  })
  .transform(({ from, to = new Date() }) => ({
    from: startOfHour(from ?? new Date(to.getTime() - DEFAULT_HOURS * HOUR_MS)),
    to,
  }))
  .refine(isWithinBounds, {
    path: ['from'],
    message: `must be earlier than \`to\`, by at most ${MAX_DAYS} days`,
  });

const countSchema = z.int().min(0);
const outcomeSchema = z.string().meta({
  description: 'Result of the key check, such as `admitted` or `revoked`.',
  example: 'admitted',
});

export const usageResponseSchema = z
  .object({
    usage: z
      .object({
        keyId: z.string(),
        from: timestampSchema,
        to: timestampSchema,
        requests: countSchema.meta({
          description: 'Total. Requests of the last 5 s may be missing.',
        }),
        outcomes: z.array(z.object({ outcome: outcomeSchema, requests: countSchema })),
        hours: z
          .array(
            z
              .object({
                hour: timestampSchema.meta({ description: 'Beginning of the hour.' }),
                route: z.string().meta({ example: 'GET /api/internal/users/:id' }),
                outcome: outcomeSchema,
                requests: countSchema,
              })
              .meta({ id: 'UsageOfHour' }),
          )
          .meta({
            description: 'Combinations of hour, route and outcome without requests are omitted.',
          }),
      })
      .meta({ id: 'Usage' }),
  })
  .meta({ id: 'UsageResponse' });

export const rootKeyParametersSchema = z.strictObject({
  id: z
    .string()
    .regex(/^(root_[0-9a-f]{8}|none)$/, 'must be the id of a root key, or `none`')
    .meta({
      description: 'Id of a root key; `none` stands for requests without a known key.',
      example: 'root_1a2b3c4d',
    }),
});

export type UsageQuery = z.output<typeof usageQuerySchema>;
export type Usage = z.infer<typeof usageResponseSchema>['usage'];
export type RootKeyParameters = z.output<typeof rootKeyParametersSchema>;

function startOfHour(time: Date): Date {
  return new Date(time.getTime() - (time.getTime() % HOUR_MS));
}

function isWithinBounds({ from, to }: { from: Date; to: Date }): boolean {
  const days = (to.getTime() - from.getTime()) / DAY_MS;
  // One hour more than `MAX_DAYS`, because `from` is rounded down to the hour.
  return days > 0 && days < MAX_DAYS + 1 / 24;
}
