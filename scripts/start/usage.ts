import { mintAccessToken } from './access-token.js';
import { localUrl } from './address.js';
import type { Configuration } from './configuration.js';

const USER_ID = '12345';
const COMMAND_VARIABLES = ['MCP_PORT', 'MCP_PUBLIC_URL', 'MCP_TOKEN_AUDIENCE', 'JWT_ISSUER'];

/** What to do now that everything runs, in lines to paste. */
export async function describeUsage({ backend, mcpServer }: Configuration): Promise<string> {
  const { HOST, PORT } = backend.environment;
  const url = localUrl(HOST, PORT);
  const seconds = (performance.now() / 1000).toFixed(1);
  return `
Latchkey serves at ${url} after ${seconds} s, its MCP server at ${mcpServer.environment.MCP_PUBLIC_URL}; Ctrl-C stops both.
In another terminal, in this folder, ask the backend for a user:

curl -s ${url}/api/internal/users/${USER_ID} -H "X-API-Key: ${keyExpression(backend.variables)}"

${await describeMcpUsage(mcpServer)}
`;
}

async function describeMcpUsage({
  environment,
  variables,
}: Configuration['mcpServer']): Promise<string> {
  const { NODE_ENV, JWT_SECRET, MCP_PUBLIC_URL } = environment;
  if (NODE_ENV === 'production' || JWT_SECRET === undefined) {
    return `Connect an MCP client, with a token from your issuer in place of <token>:

${clientConfiguration(MCP_PUBLIC_URL, '<token>')}`;
  }
  // No log of this output keeps a token: only a terminal is shown one.
  const { isTTY } = process.stdout;
  const token = isTTY ? await mintAccessToken(USER_ID, variables) : '<token>';
  const tokenHint = isTTY
    ? 'The token below is good for 8 hours; this prints a new one'
    : 'Put what this prints in place of <token>';
  return `Call a tool of the MCP server for the same user:

${assignments()}npm run -s call -- get_balance

Connect an MCP client. ${tokenHint}:

${assignments()}npm run -s token -- ${USER_ID}

${clientConfiguration(MCP_PUBLIC_URL, token)}`;
}

function clientConfiguration(url: string, token: string): string {
  const latchkey = { type: 'http', url, headers: { Authorization: `Bearer ${token}` } };
  return JSON.stringify({ mcpServers: { latchkey } }, undefined, 2);
}

/** The key is taken from where it is, so that no log of this output keeps it. */
function keyExpression({ INTERNAL_API_KEY_FILE }: NodeJS.ProcessEnv): string {
  if (process.env.INTERNAL_API_KEY) return '$INTERNAL_API_KEY';
  if (INTERNAL_API_KEY_FILE) return `$(head -n 1 '${INTERNAL_API_KEY_FILE}')`;
  return `$(sed -n 's/^INTERNAL_API_KEY=//p' .env)`;
}

/** What this start was given beside .env, which the commands read too. */
function assignments(): string {
  return COMMAND_VARIABLES.flatMap((name) => {
    const value = process.env[name];
    return value ? [`${name}='${value.replaceAll("'", `'\\''`)}' `] : [];
  }).join('');
}
