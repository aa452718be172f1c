import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { verifiedUser } from '../mcp-user.js';

const { BACKEND_API_URL = '', INTERNAL_API_KEY = '', MCP_PORT } = process.env;

const accountTypeSchema = z.enum(['checking', 'savings', 'credit']);
const accountSchema = z.object({
  type: accountTypeSchema,
  currency: z.string(),
  balance: z.string(),
});
const userResponseSchema = z.object({
  user: z.object({ name: z.string(), permissions: z.array(z.string()) }),
});
const accountsResponseSchema = z.object({ accounts: z.array(accountSchema) });

async function ask(path: string): Promise<unknown> {
  const response = await fetch(`${BACKEND_API_URL}/api/internal/users/${path}`, {
    headers: { 'X-API-Key': INTERNAL_API_KEY },
  });
  if (!response.ok) throw new Error(`The backend responded with ${response.status}`);
  return response.json();
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'by-hand', version: '0.1.0' });
  server.registerTool(
    'get_balance',
    {
      description: 'Lists the balance of each account of the user.',
      inputSchema: z.object({ account_type: accountTypeSchema.optional() }),
      outputSchema: z.object({ name: z.string(), accounts: z.array(accountSchema) }),
    },
    async ({ account_type: type }, { http }) => {
      const id = String(http?.authInfo?.extra?.userId);
      const { user } = userResponseSchema.parse(await ask(id));
      if (!user.permissions.includes('read')) throw new Error('The user may not read');
      const filter = type === undefined ? '' : `?type=${type}`;
      const { accounts } = accountsResponseSchema.parse(await ask(`${id}/accounts${filter}`));
      const sentences = accounts.map(
        ({ type: kind, currency, balance }) => `Your ${kind} balance is ${currency} ${balance}.`,
      );
      const structuredContent = { name: user.name, accounts };
      const texts = [
        [`Hello ${user.name}!`, ...sentences].join(' '),
        JSON.stringify(structuredContent),
      ];
      return { content: texts.map((text) => ({ type: 'text', text })), structuredContent };
    },
  );
  return server;
});

const handle = toNodeHandler(handler);

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const userId = await verifiedUser(request);
  if (userId === undefined) return void response.writeHead(401).end();
  const auth = { token: '', clientId: 'bench', scopes: [], extra: { userId } };
  return handle(Object.assign(request, { auth }), response);
}

createServer((request, response) => void respond(request, response)).listen(
  Number(MCP_PORT),
  '127.0.0.1',
);
