import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { query } from './database.js';

const FOLDER = '.data';
/** The MCP server's own key, for its owner's eyes only. */
export const MCP_SERVER_KEY_FILE = `${FOLDER}/mcp-server-key`;
const SCOPES = 'users:read,users:write,accounts:read';

const createdSchema = z.object({ secret: z.string() });

/** Whether the key of an earlier start is good for another week at least. */
export async function hasMcpServerKey(databaseUrl: string): Promise<boolean> {
  const key = await readFile(MCP_SERVER_KEY_FILE, 'utf8').catch(() => undefined);
  if (key === undefined) return false;
  const digest = createHash('sha256').update(key.trim()).digest('hex');
  const rows = await query(
    databaseUrl,
    `SELECT FROM api_keys
     WHERE encode(digest, 'hex') = '${digest}' AND revoked_at IS NULL
       AND least(expires_at, retires_at) > now() + interval '7 days'`,
  );
  return rows.length > 0;
}

/** Issues the MCP server a key with what its tools need, so that it does not have the root key. */
export async function issueMcpServerKey(variables: NodeJS.ProcessEnv): Promise<void> {
  const command = ['dist/cli/keys.js', 'create', '--name', 'mcp-server', '--scopes', SCOPES];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...command, '--note', 'made by npm start', '--reveal', '--json'],
    { env: variables },
  );
  const { secret } = createdSchema.parse(JSON.parse(stdout));
  await mkdir(FOLDER, { recursive: true });
  const unfinished = `${MCP_SERVER_KEY_FILE}.${process.pid}`;
  await writeFile(unfinished, `${secret}\n`, { mode: 0o600 });
  await rename(unfinished, MCP_SERVER_KEY_FILE);
}
