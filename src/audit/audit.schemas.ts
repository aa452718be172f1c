import { z } from 'zod';
import { pageLimitQuerySchema } from '../http/page-limit.js';
import { timestampSchema } from '../time.js';

const sequenceSchema = z.int().min(1).meta({ description: '1, 2, 3 … without gaps.' });
const headSchema = z
  .string()
  .regex(/^\d{1,18}:[0-9a-f]{64}$/, 'must be the head of an earlier verification')
  .meta({
    description: 'Sequence and hash of the last event.',
    example: `42:${'0a'.repeat(32)}`,
  });
const stateSchema = z.record(z.string(), z.unknown()).nullable();
const nameSchema = z.string().nullable().meta({ description: 'Name of the issued key.' });

const auditEventSchema = z
  .object({
    sequence: sequenceSchema,
    at: timestampSchema,
    actor: z.string().meta({
      description: 'Id of the key, followed by `:` and the acting user if the request named one.',
      example: 'root_1a2b3c4d:alice',
    }),
    actorName: nameSchema,
    action: z.string().meta({ example: 'revoke' }),
    subject: z.string().meta({ description: 'Id of a key, or `user:` and the id of a user.' }),
    subjectName: nameSchema,
    before: stateSchema,
    after: stateSchema.meta({
      description: 'For a key, its row without the digest; for a user, the written fields.',
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
    .meta({ description: 'Only events about this subject: a key id, or `user:` and a user id.' }),
  actor: z
    .string()
    .max(200)
    .optional()
    .meta({ description: 'Only events by this key, for any acting user.' }),
  limit: pageLimitQuerySchema,
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the `nextCursor` of the previous page')
    .optional()
    .meta({ description: '`nextCursor` of the previous page.' }),
});

export const auditReportSchema = z
  .object({
    events: z.int(),
    head: headSchema,
    faults: z
      .array(z.object({ sequence: z.int(), problem: z.string() }))
      .meta({ description: 'Events that were changed or are missing.' }),
    inconsistentKeys: z.array(z.string()).meta({
      description: 'Keys that differ from their last event, have no event, or were deleted.',
    }),
  })
  .meta({ id: 'AuditReport' });

export const verifyAuditSchema = z.strictObject({
  head: headSchema
    .optional()
    .meta({ description: 'Head of an earlier report, which the trail must still contain.' }),
});

export type AuditEventResponse = z.infer<typeof auditEventSchema>;
export type AuditEventPage = z.infer<typeof auditEventPageSchema>;
export type ListAuditEvents = z.output<typeof listAuditEventsSchema>;
export type AuditReport = z.infer<typeof auditReportSchema>;
export type VerifyAudit = z.output<typeof verifyAuditSchema>;
