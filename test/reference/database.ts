import { readFile } from 'node:fs/promises';
import { block, code, page, table } from './markdown.js';

const COMMENTED = /((?:^ *\/\/\/ .*\n)*)/;
const MODEL = new RegExp(`${COMMENTED.source}^model (\\w+) \\{\\n([^]*?)^\\}`, 'gm');
const FIELD = new RegExp(`${COMMENTED.source}^ +(\\w+) +(\\w+)(\\[\\]|\\?)?(.*)$`, 'gm');
const GRANT = /^GRANT\s([^;]*?)\sON (\w+) TO latchkey_run_time/gm;
const RIGHT = /(SELECT|INSERT|UPDATE|DELETE)(?:\s*\(([^)]*)\))?/g;

const SQL_TYPES: ReadonlyMap<string, string> = new Map([
  ['String', 'text'],
  ['Int', 'integer'],
  ['Bytes', 'bytea'],
  ['Json', 'jsonb'],
  ['AccountType', 'account_type'],
  ['KeyEnvironment', 'key_environment'],
]);

/** For each right of the run-time role, the columns that it covers; undefined means all columns. */
type Rights = ReadonlyMap<string, readonly string[] | undefined>;

export async function databasePage(): Promise<string> {
  const schema = await readFile('prisma/schema.prisma', 'utf8');
  const rights = readRights(await readFile('deploy/database/roles.sql', 'utf8'));
  const models = [...schema.matchAll(MODEL)];
  const names = new Set(models.map(([, , name = '']) => name));
  const sections = models.map(([, comment = '', , body = '']) => {
    const name = mapped(body, '@@map') ?? '';
    const ofTable = rights.get(name) ?? new Map();
    return [
      `## ${name}`,
      textOf(comment),
      `Run-time role: ${[...ofTable.keys()].map(code).join(', ') || 'no rights'}.`,
      table(['column', 'type', 'run-time role', 'meaning'], columnsOf(body, names, ofTable)),
    ];
  });
  return page(
    '# Database roles and tables',
    `The backend keeps all state in PostgreSQL. There are two roles. The **owner** owns the tables and runs
the migrations. The **run-time role** \`latchkey_run_time\` has only the rights that the statements
of the running backend need. [Database roles](../how-to/database-roles.md) shows how to set up both.`,
    'This command applies the migrations and sets the rights of the run-time role:',
    block('sh', 'node deploy/database/migrate.mjs'),
    `Database triggers write \`audit_events\`, set \`revision\` in \`api_keys\`, and notify the
[key sync](glossary.md) of changed keys. The run-time role cannot write \`instances\`, \`audit_events\`
and \`failed_auth_counts\` directly: only functions and triggers, which run with the owner's rights,
write these tables. So an attacker with the run-time role cannot forge their rows. An empty cell below
"run-time role" means that this role can neither read nor write the column.`,
    sections,
  );
}

function columnsOf(body: string, models: ReadonlySet<string>, rights: Rights): string[][] {
  return [...body.matchAll(FIELD)]
    .filter(([, , , type = '']) => !models.has(type))
    .map(([, comment = '', field = '', type = '', suffix = '', attributes = '']) => {
      const column = mapped(attributes, '@map') ?? field;
      const ofColumn = [...rights]
        .filter(([right, columns]) => right !== 'DELETE' && (columns?.includes(column) ?? true))
        .map(([right]) => code(right));
      const [, native] = /@db\.(\w+(?:\([\d, ]+\))?)/.exec(attributes) ?? [];
      const sqlType = (native ?? SQL_TYPES.get(type) ?? type).toLowerCase();
      const nullability = suffix === '?' ? ' or null' : suffix;
      const isKey = / @id/.test(attributes) ? 'Primary key. ' : '';
      return [code(column), sqlType + nullability, ofColumn.join(', '), isKey + textOf(comment)];
    });
}

function readRights(sql: string): ReadonlyMap<string, Rights> {
  return new Map(
    [...sql.matchAll(GRANT)].map(([, grants = '', name = '']) => {
      const rights = [...grants.matchAll(RIGHT)].map(
        ([, right = '', columns]) => [right, columns?.split(/,\s*/)] as const,
      );
      return [name, new Map(rights)];
    }),
  );
}

function mapped(text: string, attribute: '@map' | '@@map'): string | undefined {
  return new RegExp(`(?<!@)${attribute}\\("(\\w+)"\\)`).exec(text)?.[1];
}

function textOf(comment: string): string {
  return comment
    .replaceAll(/^ *\/\/\/ /gm, '')
    .replaceAll('\n', ' ')
    .trim();
}
