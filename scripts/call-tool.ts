/**
 * `npm run call -- TOOL [ARGUMENTS]`: calls a tool of the running MCP server for the demo user 12345, and prints its
 * answer. ARGUMENTS is a JSON object.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { parseEnvironment } from '../mcp-server/src/config/environment.js';
import { mintAccessToken } from './start/access-token.js';

const USER_ID = '12345';
const argumentsSchema = z.record(z.string(), z.unknown());

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main([tool, json = '{}']: string[]): Promise<void> {
  if (tool === undefined) throw new Error(`Usage: npm run call -- TOOL ['{"name": "value"}']`);
  const { MCP_PUBLIC_URL } = parseEnvironment(process.env);
  const token = await mintAccessToken(USER_ID, process.env);
  const client = await connect(new URL(MCP_PUBLIC_URL), token);
  try {
    const parameters = { name: tool, arguments: argumentsSchema.parse(JSON.parse(json)) };
    const { content, isError } = await client.callTool(parameters);
    // The parts after the first repeat it, for programs.
    const [answer] = content;
    console.log(answer?.type === 'text' ? answer.text : answer);
    if (isError) process.exitCode = 1;
  } finally {
    await client.close();
  }
}

async function connect(url: URL, token: string): Promise<Client> {
  const client = new Client(
    { name: 'latchkey-call', version: '0.1.0' },
    { versionNegotiation: { mode: 'auto' } },
  );
  const authProvider = { token: async () => token };
  try {
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`No MCP server could be used at ${url.href} (${reason}): run npm start.`, {
      cause: error,
    });
  }
  return client;
}
