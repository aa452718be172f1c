import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import * as mcpServer from '../../mcp-server/src/config/environment.js';
import * as backend from '../../src/config/environment.js';
import { defaultOf, readSchema, valuesOf } from './json-schema.js';
import { block, code, page, table } from './markdown.js';

const START = `NODE_ENV=production DATABASE_URL_FILE=/run/secrets/database-url \\
  INTERNAL_API_KEY_FILE=/run/secrets/internal-api-key node dist/bundle/main.js`;

/** The variables that only `deploy/database/migrate.mjs` reads. */
const MIGRATION_ROWS = [
  [
    code('RUN_TIME_DATABASE_URL'),
    'string',
    'required',
    "URL of the backend's own account. The command creates or updates this account.",
  ],
  [
    code('RUN_TIME_DATABASE_URL_FILE'),
    'path',
    '',
    `File that contains ${code('RUN_TIME_DATABASE_URL')}.`,
  ],
];

type Process = typeof backend | typeof mcpServer;

/** The default of every variable of both servers, if it has one. */
export function variableDefaults(): ReadonlyMap<string, string | undefined> {
  const defaults = [backend, mcpServer].flatMap((process) =>
    namesOf(process).map(
      (name) => [name, describe(process.variables.shape, name).initial] as const,
    ),
  );
  return new Map(defaults.map(([name, text]) => [name, text.replaceAll('`', '')]));
}

/** The variables of `.env.example`, each with its comment and its value. */
export async function readExample() {
  const text = await readFile('.env.example', 'utf8');
  const variables = text.matchAll(/^((?:# .*\n)+)(\w+)=(.*)$/gm);
  return new Map(
    [...variables].map(([, comment = '', name = '', value = '']) => {
      const meaning = comment.replaceAll(/^# /gm, '').replaceAll('\n', ' ').trim();
      return [name, { meaning, value }];
    }),
  );
}

export async function configurationPage(): Promise<string> {
  const example = await readExample();
  const rowsOf = (process: Process) =>
    namesOf(process).map((name) => {
      const { values, initial } = describe(process.variables.shape, name);
      return [code(name), values, initial, withCode(example.get(name)?.meaning ?? '')];
    });
  const headings = ['variable', 'values', 'default', 'meaning'];
  return page(
    '# Configuration',
    `Environment variables configure both servers. A server checks its variables when it starts. If a
variable is missing or invalid, the server lists every problem and exits. An empty variable counts
as missing. In development, the servers also read \`.env.local\` and \`.env\`; exported variables
take precedence over these files.`,
    block('sh', START),
    `A variable whose name ends in \`_FILE\` is the path of a file that contains the value of another
variable. For example, \`DATABASE_URL_FILE\` is the path of a file that contains the value of
\`DATABASE_URL\`. Set one of the two variables, not both.`,
    '## Backend',
    table(headings, rowsOf(backend)),
    '## MCP server',
    table(headings, rowsOf(mcpServer)),
    '## Migration',
    `The command \`node deploy/database/migrate.mjs\` reads the URL of the database's owner from
\`DIRECT_URL\` or, if that is empty, from \`DATABASE_URL\`. It also reads these variables
([Separate the two database accounts](../how-to/database-roles.md)):`,
    table(headings, MIGRATION_ROWS),
  );
}

/** The variables in the order of the schema. A `_FILE` variable follows each secret. */
function namesOf({ variables, SECRETS }: Process): string[] {
  const secrets = new Set<string>(SECRETS);
  const names = Object.keys(variables.shape);
  return [...new Set(names.flatMap((name) => (secrets.has(name) ? [name, `${name}_FILE`] : name)))];
}

/** The values and the default of a variable. */
function describe(shape: Readonly<Record<string, z.ZodType>>, name: string) {
  const schema = shape[name];
  if (schema === undefined || name.endsWith('_FILE')) return { values: 'path', initial: '' };
  const isRequired = !schema.safeParse(undefined).success;
  const json = readSchema(schema);
  return { values: valuesOf(json), initial: isRequired ? 'required' : defaultOf(json) };
}

/** Puts each name of a variable into a code span, unless it is in one already. */
function withCode(text: string): string {
  return text.replaceAll(/`[^`]*`|\b[A-Z]+(?:_[A-Z]+)+(?:=\w+)?/g, (match) =>
    match.startsWith('`') ? match : code(match),
  );
}
