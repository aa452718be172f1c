import { Controller, Query } from '@nestjs/common';
import { ApiTags } from '../openapi/swagger.js';
import { Route } from '../auth/route.decorator.js';
import {
  type ListAuditEvents,
  type VerifyAudit,
  auditEventPageSchema,
  auditReportSchema,
  listAuditEventsSchema,
  verifyAuditSchema,
} from './audit.schemas.js';
import { AuditService } from './audit.service.js';

@ApiTags('audit')
@Controller('internal/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Route('GET', 'events', 'audit:read', {
    summary: 'List audit events',
    description: 'Returns a page of the changes of keys and users, oldest first.',
    response: auditEventPageSchema,
  })
  async listAuditEvents(@Query({ schema: listAuditEventsSchema }) query: ListAuditEvents) {
    return this.audit.list(query);
  }

  @Route('GET', 'verification', 'audit:read', {
    summary: 'Verify the audit trail',
    description:
      'Returns events that were changed or are missing, and keys without a matching event.',
    response: auditReportSchema,
  })
  async verifyAuditTrail(@Query({ schema: verifyAuditSchema }) { head }: VerifyAudit) {
    return this.audit.verify(head);
  }
}
