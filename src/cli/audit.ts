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
import { print, printJson } from './output.js';
import type { WithApi } from './program.js';

const AUDIT = '/api/internal/audit';

const userChangeSchema = z.object({
  fields: z.array(z.string()),
  actingUser: z.string().nullish(),
});

export function addAuditCommands(program: Command, withApi: WithApi): void {
  const audit = program.command('audit').description('the trail of all changes of keys and users');
  audit
    .command('verify')
    .description('find events that were changed or are missing, and keys changed without an event')
    .option('--head <sequence:hash>', 'the head that an earlier verification has printed')
    .option('--json', 'output for scripts')
    .addHelpText('after', '\nExample:\n  latchkey audit verify --head 42:0a1b…')
    .action((options: VerifyOptions) => withApi((api) => verify(api, options)));
  audit
    .command('list')
    .description('list events, oldest first; times are in UTC')
    .option('--subject <id>', 'only events about one key, or about one user: user:<id>')
    .option('--actor <id>', 'only what one key has done, such as root_1a2b3c4d or cli:alice')
    .option('--json', 'output for scripts: one event a line')
    .addHelpText('after', '\nExample:\n  latchkey audit list --subject user:12345')
    .action((options: ListOptions) => withApi((api) => list(api, options)));
}

interface VerifyOptions {
  readonly head?: string;
  readonly json?: true;
}

async function verify(api: ApiClient, { head, json }: VerifyOptions): Promise<void> {
  if (!verifyAuditSchema.safeParse({ head }).success) {
    throw wrongUsage('--head must be the head that audit verify has printed, such as 42:0a1b…');
  }
  const query = head === undefined ? '' : `?head=${head}`;
  const report = await api.get(`${AUDIT}/verification${query}`, auditReportSchema);
  if (json) printJson(report);
  else print(describe(report));
  if (report.faults.length === 0 && report.inconsistentKeys.length === 0) return;
  throw new CommandFailure(
    'The audit trail is not as it was written: compare it with a backup.',
    EXIT_CODES.notGood,
  );
}

interface ListOptions {
  readonly subject?: string;
  readonly actor?: string;
  readonly json?: true;
}

async function list(api: ApiClient, { subject, actor, json }: ListOptions): Promise<void> {
  const query = new URLSearchParams({
    limit: '100',
    ...(subject !== undefined && { subject }),
    ...(actor !== undefined && { actor }),
  });
  for (;;) {
    const page = await api.get(`${AUDIT}/events?${query.toString()}`, auditEventPageSchema);
    for (const event of page.events) print(json ? JSON.stringify(event) : renderEvent(event));
    if (page.nextCursor === null) return;
    query.set('cursor', page.nextCursor);
  }
}

function describe({ events, head, faults, inconsistentKeys }: AuditReport): string {
  return [
    `${events} events, head ${head}`,
    ...faults.map(({ sequence, problem }) => `event ${sequence}: ${problem}`),
    ...inconsistentKeys.map((id) => `key ${id}: differs from its last event`),
  ].join('\n');
}

/** Two lines, because two ids do not fit into one. */
function renderEvent(event: AuditEventResponse): string {
  const { sequence, at, action, actor, actorName, subject, subjectName } = event;
  const number = `${sequence}`.padEnd(6);
  const time = at.slice(0, 19).replace('T', ' ');
  const of = [subject, subjectName ?? ''].join(' ').trimEnd();
  const by = [actor, actorName ?? '', describeUserChange(event)].filter((text) => text !== '');
  return `${number}${time}  ${action.padEnd(11)}\n      ${of}\n      by ${by.join(' ')}`.replaceAll(
    / +\n/g,
    '\n',
  );
}

/** The fields that were written, and the acting user. */
function describeUserChange({ action, after }: AuditEventResponse): string {
  const { data } = userChangeSchema.safeParse(action.startsWith('user.') ? after : null);
  if (data === undefined) return '';
  const { fields, actingUser } = data;
  return [...fields, ...(actingUser ? [`acting for ${actingUser}`] : [])].join(', ');
}
