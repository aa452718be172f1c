import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { query } from './database.js';
import { writePrivateFile } from './environment.js';
import { runNode, step } from './step.js';

/** The private file with the MCP server's API key. */
export const MCP_SERVER_KEY_FILE = '.data/mcp-server-key';

/** The rights of the MCP server's key: only what its tools need (mcp-server/src/tools). */
export const MCP_SERVER_GRANT = {
  scopes: ['users:read', 'users:write', 'accounts:read'],
  // The fields that get_profile shows. Every tool needs `permissions`.
  readFields: ['email', 'name', 'phone', 'roles', 'permissions', 'createdAt', 'lastLoginAt'],
  // The field that update_phone changes.
  writeFields: ['phone'],
};

const KEYS = ['dist/cli.js', 'keys'];
// An exit code of src/cli/failure.ts, which can't be loaded before the build.
const UNCONFIRMED = 4;

const createdSchema = z.object({ secret: z.string() });
const foundSchema = z.array(z.object({ id: z.string(), fits: z.boolean() }));

/** Ensures that the MCP server has a valid API key with exactly the rights of its tools. */
export async function prepareMcpServerKey(
  variables: NodeJS.ProcessEnv,
  databaseUrl: string,
): Promise<void> {
  const [key] = await findKeys(databaseUrl);
  if (key?.fits) return;
  await step(`${key ? 'Replace' : 'Issue'} the MCP server’s key`, async () => {
    await issueKey(variables);
    if (key) await revokeKey(variables, key.id);
  });
}

/**
 * Finds the key of an earlier start if it is valid for 7 more days. `fits` says whether its rights
 * are exactly those of `MCP_SERVER_GRANT`.
 */
async function findKeys(databaseUrl: string) {
  const key = await readFile(MCP_SERVER_KEY_FILE, 'utf8').catch(() => '');
  const digest = createHash('sha256').update(key.trim()).digest('hex');
  const { scopes, readFields, writeFields } = MCP_SERVER_GRANT;
  const rows = await query(
    databaseUrl,
    `SELECT id, (scopes @> $2 AND scopes <@ $2 AND user_fields @> $3 AND user_fields <@ $3
                 AND write_fields @> $4 AND write_fields <@ $4) IS TRUE AS fits
     FROM api_keys
     WHERE encode(digest, 'hex') = $1 AND revoked_at IS NULL
       AND least(expires_at, retires_at) > now() + interval '7 days'`,
    [digest, scopes, readFields, writeFields],
  );
  return foundSchema.parse(rows);
}

async function issueKey(variables: NodeJS.ProcessEnv): Promise<void> {
  const { scopes, readFields, writeFields } = MCP_SERVER_GRANT;
  const options = {
    name: 'mcp-server',
    note: 'created by npm start',
    scopes: scopes.join(),
    'read-fields': readFields.join(),
    'write-fields': writeFields.join(),
  };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const command = [...KEYS, 'create', ...words, '--reveal', '--json'];
  const { secret } = createdSchema.parse(JSON.parse(await runNode(command, variables)));
  await writePrivateFile(MCP_SERVER_KEY_FILE, `${secret}\n`);
}

async function revokeKey(variables: NodeJS.ProcessEnv, id: string): Promise<void> {
  const reason =
    'replaced by npm start, because its rights differ from the rights that the MCP server needs';
  const command = [...KEYS, 'revoke', id, '--reason', reason];
  await runNode(command, variables).catch((error: unknown) => {
    // Ignores a missing acknowledgement: a backend that was killed in the last 5 s sends none.
    if (!(error instanceof Error && 'code' in error && error.code === UNCONFIRMED)) throw error;
  });
}
