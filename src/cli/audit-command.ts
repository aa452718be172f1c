import { Command } from 'commander';
import { z } from 'zod';
import type { AuditEvent } from '../audit/audit-chain.js';
import { AuditModule } from '../audit/audit.module.js';
import { type AuditReport, AuditService } from '../audit/audit.service.js';
import { withModule } from './application.js';
import { CommandFailure, EXIT_CODES } from './run-command.js';
import { renderTable } from './table.js';

const HEADINGS = ['#', 'time', 'by', 'action', 'subject', 'details'];

const userChangeSchema = z.object({
  fields: z.array(z.string()),
  actingUser: z.string().nullish(),
});

interface VerifyOptions {
  readonly head?: string;
  readonly json?: true;
}

/** `npm run audit -- …`: the trail of all changes of keys and users. */
export function createAuditCommand(): Command {
  const program = new Command('audit')
    .description('The trail of all changes of keys and users.')
    .exitOverride();
  program
    .command('verify')
    .description(
      'find events that were changed or are missing, and keys that were changed without one',
    )
    .option(
      '--head <sequence:hash>',
      'what an earlier verification has printed; it must still be there',
    )
    .option('--json', 'for scripts')
    .action(verify);
  program
    .command('list')
    .description('all events')
    .option('--subject <id>', 'only those about one key, or about one user: user:<id>')
    .option('--actor <id>', 'only what one key has done')
    .option('--json', 'for scripts')
    .action(list);
  return program;
}

async function verify({ head, json }: VerifyOptions): Promise<void> {
  if (head !== undefined && !/^\d+:[0-9a-f]{64}$/.test(head)) {
    throw new CommandFailure('--head must be what audit verify has printed.', EXIT_CODES.usage);
  }
  const report = await withModule(AuditModule, (application) =>
    application.get(AuditService).verify(head),
  );
  if (json) {
    const faults = report.faults.map((fault) => ({ ...fault, sequence: String(fault.sequence) }));
    console.log(JSON.stringify({ ...report, faults, head: headText(report) }, null, 2));
  } else console.log(describe(report));
  const isWhole = report.faults.length === 0 && report.strayKeys.length === 0;
  if (!isWhole)
    throw new CommandFailure('The audit trail is not what was written.', EXIT_CODES.notGood);
}

interface ListOptions {
  readonly subject?: string;
  readonly actor?: string;
  readonly json?: true;
}

async function list({ subject, actor: by, json }: ListOptions): Promise<void> {
  await withModule(AuditModule, async (application) => {
    const rows: string[][] = [];
    for await (const event of application.get(AuditService).events()) {
      if (subject !== undefined && event.subject !== subject) continue;
      if (by !== undefined && event.actor !== by) continue;
      const { sequence, at, actor, action, before, after } = event;
      const line = { sequence: Number(sequence), at, actor, action, subject: event.subject };
      if (json)
        console.log(JSON.stringify({ ...line, before: parse(before), after: parse(after) }));
      else {
        const details = describeUserChange(event);
        rows.push([String(sequence), at.toISOString(), actor, action, event.subject, details]);
      }
    }
    if (!json) console.log(renderTable(HEADINGS, rows));
  });
}

function describe(report: AuditReport): string {
  const { events, faults, strayKeys } = report;
  return [
    `${events} events, head ${headText(report)}`,
    ...faults.map(({ sequence, problem }) => `event ${sequence}: ${problem}`),
    ...strayKeys.map((id) => `key ${id}: is not what its last event says`),
  ].join('\n');
}

/** The fields that were written, and the acting user. */
function describeUserChange({ action, after }: AuditEvent): string {
  if (!action.startsWith('user.')) return '';
  const { data } = userChangeSchema.safeParse(parse(after));
  if (data === undefined) return '';
  const { fields, actingUser } = data;
  return [...fields, ...(actingUser ? [`acting for ${actingUser}`] : [])].join(', ');
}

const headText = ({ head }: AuditReport): string => `${head.sequence}:${head.hash}`;

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
