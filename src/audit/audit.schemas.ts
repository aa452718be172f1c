import { z } from 'zod';
import { pageLimitQuerySchema } from '../http/page-limit.js';
import { timestampSchema } from '../time.js';

const sequenceSchema = z.int().min(1).meta({ description: '1, 2, 3 … without a gap.' });
const headSchema = z
  .string()
  .regex(/^\d{1,18}:[0-9a-f]{64}$/, 'must be the head of an earlier verification')
  .meta({
    description: 'The last event: its sequence and hash.',
    example: `42:${'0a'.repeat(32)}`,
  });
const stateSchema = z.record(z.string(), z.unknown()).nullable();
const nameSchema = z.string().nullable().meta({ description: 'The name of the issued key.' });

const auditEventSchema = z
  .object({
    sequence: sequenceSchema,
    at: timestampSchema,
    actor: z.string().meta({
      description:
        'The id of the key, followed by `:` and the acting user if the request named one.',
      example: 'root_1a2b3c4d:alice',
    }),
    actorName: nameSchema,
    action: z.string().meta({ example: 'revoke' }),
    subject: z.string().meta({ description: 'The id of a key, or `user:` and the id of a user.' }),
    subjectName: nameSchema,
    before: stateSchema,
    after: stateSchema.meta({
      description: 'Of a key, its row without the digest; of a user, the names of the fields.',
    }),
  })
  .meta({ id: 'AuditEvent' });

export const auditEventPageSchema = z
  .object({ events: z.array(auditEventSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'AuditEventPage' });

export const listAuditEventsSchema = z.strictObject({
  subject: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Only events of one key, or of one user: `user:` and the id.' }),
  actor: z
    .string()
    .max(200)
    .optional()
    .meta({ description: 'Only changes by one key, for any acting user.' }),
  limit: pageLimitQuerySchema,
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the nextCursor of the page before')
    .optional()
    .meta({ description: 'The `nextCursor` of the previous page.' }),
});

export const auditReportSchema = z
  .object({
    events: z.int(),
    head: headSchema,
    faults: z
      .array(z.object({ sequence: z.int(), problem: z.string() }))
      .meta({ description: 'Events that were changed or are missing.' }),
    inconsistentKeys: z
      .array(z.string())
      .meta({ description: 'Keys that differ from their last event, or have no event.' }),
  })
  .meta({ id: 'AuditReport' });

export const verifyAuditSchema = z.strictObject({
  head: headSchema
    .optional()
    .meta({ description: 'The head of an earlier report, which this trail must contain.' }),
});

export type AuditEventResponse = z.infer<typeof auditEventSchema>;
export type AuditEventPage = z.infer<typeof auditEventPageSchema>;
export type ListAuditEvents = z.output<typeof listAuditEventsSchema>;
export type AuditReport = z.infer<typeof auditReportSchema>;
export type VerifyAudit = z.output<typeof verifyAuditSchema>;
