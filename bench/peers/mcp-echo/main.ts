import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { verifiedUser } from '../mcp-user.js';

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'echo', version: '0.1.0' });
  server.registerTool(
    'echo',
    {
      description: 'Returns its input.',
      inputSchema: z.object({ text: z.string() }),
      outputSchema: z.object({ text: z.string() }),
    },
    ({ text }) => ({ content: [{ type: 'text', text }], structuredContent: { text } }),
  );
  return server;
});

const handle = toNodeHandler(handler);

// Without JWT_SECRET, the server verifies no token, so it shows the cost of the SDK alone.
const verifiesTokens = process.env.JWT_SECRET !== undefined;

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (verifiesTokens && (await verifiedUser(request)) === undefined) response.writeHead(401).end();
  else await handle(request, response);
}

createServer((request, response) => void respond(request, response)).listen(
  Number(process.env.MCP_PORT),
  '127.0.0.1',
);
