import { localUrl, type Configuration } from './configuration.js';
import { runNode } from './step.js';

const USER_ID = '12345';

/** Describes the next steps as commands to paste, which do not depend on exported variables. */
export async function describeUsage(
  { backend, mcpServer }: Configuration,
  rootKey: string,
): Promise<string> {
  const { HOST, PORT } = backend.environment;
  const url = localUrl(HOST, PORT);
  const seconds = (performance.now() / 1000).toFixed(1);
  return `
The backend is ready at ${url} after ${seconds} s, and the MCP server at ${mcpServer.environment.MCP_PUBLIC_URL}. Ctrl-C stops both.
In another terminal, in this folder, request a user from the backend:

curl -s ${url}/api/internal/users/${USER_ID} -H "X-API-Key: ${rootKey}"

${await describeTokenUsage(mcpServer, url)}
`;
}

async function describeTokenUsage(
  { environment, variables }: Configuration['mcpServer'],
  backendUrl: string,
): Promise<string> {
  const { NODE_ENV, JWT_SECRET, MCP_PUBLIC_URL } = environment;
  if (NODE_ENV === 'production' || JWT_SECRET === undefined) {
    return `Connect an MCP client, with a token from your issuer in place of <token>:

${clientConfiguration(MCP_PUBLIC_URL, '<token>')}`;
  }
  // The token is printed only on a terminal, so that a log of this output does not contain it.
  const { isTTY } = process.stdout;
  const token = isTTY ? await mintAccessToken(variables) : '<token>';
  const tokenHint = isTTY
    ? 'The token below is valid for 8 hours; this command prints a new one'
    : 'Replace <token> with the output of this command';
  const tokenCommand = `npm run -s token -- ${USER_ID}`;
  return `Send a request to the backend with an access token of the user:

curl -s ${backendUrl}/api/auth/me -H "Authorization: Bearer $(${tokenCommand})"

Call a tool of the MCP server for the same user:

npm run -s call -- get_balance

Connect an MCP client. ${tokenHint}:

${tokenCommand}

${clientConfiguration(MCP_PUBLIC_URL, token)}`;
}

function clientConfiguration(url: string, token: string): string {
  const latchkey = { type: 'http', url, headers: { Authorization: `Bearer ${token}` } };
  return JSON.stringify({ mcpServers: { latchkey } }, undefined, 2);
}

/** Creates an access token for the demo user. @throws Error if the command fails */
export async function mintAccessToken(variables: NodeJS.ProcessEnv): Promise<string> {
  return (await runNode(['mcp-server/dist/mint-token.js', USER_ID], variables)).trim();
}
