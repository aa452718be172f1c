import type { Command } from 'commander';
import { z } from 'zod';
import {
  type AuditEventResponse,
  type AuditReport,
  auditEventPageSchema,
  auditReportSchema,
  verifyAuditSchema,
} from '../audit/audit.schemas.js';
import type { ApiClient } from './api-client.js';
import { CommandFailure, EXIT_CODES, wrongUsage } from './failure.js';
import { print, printResponse } from './terminal.js';

const AUDIT = '/api/internal/audit';

const userChangeSchema = z.object({
  fields: z.array(z.string()),
  actingUser: z.string().nullish(),
});

/** The options of both commands. Each command sets only those that it declares. */
interface Options {
  readonly head?: string;
  readonly subject?: string;
  readonly actor?: string;
  readonly json?: true;
}

/** Adds `latchkey audit …`. */
export function addAuditCommands(program: Command, api: ApiClient): void {
  const audit = program.command('audit').description('list and verify the audit trail');
  audit
    .command('verify')
    .description('find changed or missing events, and keys that were changed without an event')
    .option(
      '--head <sequence:hash>',
      'head that an earlier verification printed: check that the trail still contains this event',
    )
    .option('--json', 'print JSON for scripts')
    .addHelpText('after', '\nExample:\n  latchkey audit verify --head 42:0a1b…')
    .action((options: Options) => verify(api, options));
  audit
    .command('list')
    .description('list events, oldest first; times are in UTC')
    .option('--subject <id>', 'only events about a key (its id) or about a user (user:<id>)')
    .option(
      '--actor <id>',
      'only events caused by a key (its id) or by an operator (such as cli:alice)',
    )
    .option('--json', 'print JSON for scripts, one event per line')
    .addHelpText('after', '\nExample:\n  latchkey audit list --subject user:12345')
    .action((options: Options) => list(api, options));
}

async function verify(api: ApiClient, { head, json }: Options): Promise<void> {
  if (!verifyAuditSchema.safeParse({ head }).success) {
    throw wrongUsage('--head must be a head that audit verify printed, such as 42:0a1b…');
  }
  const query = head === undefined ? '' : `?head=${head}`;
  const report = await api.get(`${AUDIT}/verification${query}`, auditReportSchema);
  printResponse(json, report, () => describe(report));
  if (report.faults.length === 0 && report.inconsistentKeys.length === 0) return;
  throw new CommandFailure(
    'The audit trail or a key was changed outside Latchkey: compare the database with a backup.',
    EXIT_CODES.rejected,
  );
}

async function list(api: ApiClient, { subject, actor, json }: Options): Promise<void> {
  const filter = {
    ...(subject !== undefined && { subject }),
    ...(actor !== undefined && { actor }),
  };
  for await (const { events } of api.pages(`${AUDIT}/events`, filter, auditEventPageSchema)) {
    for (const event of events) print(json ? JSON.stringify(event) : renderEvent(event));
  }
}

function describe({ events, head, faults, inconsistentKeys }: AuditReport): string {
  return [
    `${events} events, head ${head}`,
    ...faults.map(({ sequence, problem }) => `event ${sequence}: ${problem}`),
    ...inconsistentKeys.map(
      (id) => `key ${id}: differs from its last event, has no event or was deleted`,
    ),
  ].join('\n');
}

/** Renders an event on three lines, because two ids do not fit on one line. */
function renderEvent(event: AuditEventResponse): string {
  const { sequence, at, action, actor, actorName, subject, subjectName } = event;
  const time = at.slice(0, 19).replace('T', ' ');
  const of = [subject, subjectName].filter((text) => text);
  const by = [actor, actorName, describeUserChange(event)].filter((text) => text);
  return `${String(sequence).padEnd(6)}${time}  ${action}
      ${of.join(' ')}
      by ${by.join(' ')}`;
}

/** For an event about a user, lists the written fields and the acting user. */
function describeUserChange({ action, after }: AuditEventResponse): string {
  const { data } = userChangeSchema.safeParse(action.startsWith('user.') ? after : null);
  if (data === undefined) return '';
  const { fields, actingUser } = data;
  return [...fields, ...(actingUser ? [`acting for ${actingUser}`] : [])].join(', ');
}
