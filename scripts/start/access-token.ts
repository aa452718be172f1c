import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What `npm run token` answers: a user's access token, good for 8 hours. Throws where that refuses. */
export async function mintAccessToken(
  userId: string,
  variables: NodeJS.ProcessEnv,
): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['mcp-server/dist/mint-token.js', userId],
    { env: variables },
  );
  return stdout.trim();
}
