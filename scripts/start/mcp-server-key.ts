import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { query } from './database.js';
import { writePrivateFile } from './environment.js';

/** The MCP server's own key, for its owner's eyes only. */
export const MCP_SERVER_KEY_FILE = '.data/mcp-server-key';

/** Only the rights that the tools of the MCP server need (mcp-server/src/tools). */
export const MCP_SERVER_GRANT = {
  scopes: ['users:read', 'users:write', 'accounts:read'],
  // The fields that get_profile shows. All tools check the permissions.
  readFields: ['email', 'name', 'phone', 'roles', 'permissions', 'createdAt', 'lastLoginAt'],
  // The field that update_phone changes.
  writeFields: ['phone'],
};

// An exit code of src/cli/failure.ts, which can't be loaded before the build.
const UNCONFIRMED = 4;

const createdSchema = z.object({ secret: z.string() });
const storedKeySchema = z.object({
  id: z.string(),
  scopes: z.array(z.string()),
  readFields: z.array(z.string()).nullable(),
  writeFields: z.array(z.string()).nullable(),
});

type StoredKey = z.infer<typeof storedKeySchema>;

/** The key of an earlier start, if it is good for another week at least. */
export async function findMcpServerKey(databaseUrl: string): Promise<StoredKey | undefined> {
  const key = await readFile(MCP_SERVER_KEY_FILE, 'utf8').catch(() => undefined);
  if (key === undefined) return undefined;
  const digest = createHash('sha256').update(key.trim()).digest('hex');
  const [row] = await query(
    databaseUrl,
    `SELECT id, scopes, user_fields AS "readFields", write_fields AS "writeFields" FROM api_keys
     WHERE encode(digest, 'hex') = '${digest}' AND revoked_at IS NULL
       AND least(expires_at, retires_at) > now() + interval '7 days'`,
  );
  return row && storedKeySchema.parse(row);
}

/** Whether a key allows what the MCP server needs, and nothing else. */
export function fitsMcpServer({ scopes, readFields, writeFields }: StoredKey): boolean {
  return (
    isSame(scopes, MCP_SERVER_GRANT.scopes) &&
    isSame(readFields ?? [], MCP_SERVER_GRANT.readFields) &&
    isSame(writeFields ?? [], MCP_SERVER_GRANT.writeFields)
  );
}

/** Issues the MCP server a key with what its tools need, so that it does not have the root key. */
export async function issueMcpServerKey(variables: NodeJS.ProcessEnv): Promise<void> {
  const { scopes, readFields, writeFields } = MCP_SERVER_GRANT;
  const described = ['--name', 'mcp-server', '--note', 'made by npm start'];
  const fields = ['--read-fields', readFields.join(','), '--write-fields', writeFields.join(',')];
  const output = ['--reveal', '--json'];
  const command = ['create', ...described, '--scopes', scopes.join(','), ...fields, ...output];
  const stdout = await runKeys(variables, command);
  const { secret } = createdSchema.parse(JSON.parse(stdout));
  await writePrivateFile(MCP_SERVER_KEY_FILE, `${secret}\n`);
}

/** Issues a new key and revokes the old one. */
export async function replaceMcpServerKey(
  variables: NodeJS.ProcessEnv,
  { id }: StoredKey,
): Promise<void> {
  await issueMcpServerKey(variables);
  const reason = 'npm start has replaced it: it did not allow exactly what the MCP server needs';
  await runKeys(variables, ['revoke', id, '--reason', reason]).catch((error: unknown) => {
    // The backend of a start that was killed in the last 5 s cannot confirm the revocation.
    if (!(error instanceof Error && 'code' in error && error.code === UNCONFIRMED)) throw error;
  });
}

async function runKeys(variables: NodeJS.ProcessEnv, args: string[]): Promise<string> {
  const command = ['dist/cli.js', 'keys', ...args];
  const env = { ...variables, ENV_FILES: 'off' };
  return (await promisify(execFile)(process.execPath, command, { env })).stdout;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((word) => other.includes(word));
}
