import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresApiKey } from '../auth/requires-api-key.decorator.js';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import {
  type AuditEventPage,
  type AuditReport,
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

  @Get('events')
  @RequiresApiKey('audit:read')
  @ApiOperation({ operationId: 'listAuditEvents', summary: 'A page of changes of keys and users' })
  @ApiOkResponse({ description: 'The events, oldest first', standardSchema: auditEventPageSchema })
  @ApiProblems('INVALID_REQUEST')
  async list(
    @Query({ schema: listAuditEventsSchema }) query: ListAuditEvents,
  ): Promise<AuditEventPage> {
    return this.audit.list(query);
  }

  @Get('verification')
  @RequiresApiKey('audit:read')
  @ApiOperation({
    operationId: 'verifyAuditTrail',
    summary: 'Whether events were changed or are missing',
  })
  @ApiOkResponse({ description: 'The findings', standardSchema: auditReportSchema })
  @ApiProblems('INVALID_REQUEST')
  async verify(@Query({ schema: verifyAuditSchema }) { head }: VerifyAudit): Promise<AuditReport> {
    return this.audit.verify(head);
  }
}
