import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'echo', version: '0.1.0' });
  server.registerTool(
    'echo',
    {
      description: 'Says what it was told.',
      inputSchema: z.object({ text: z.string() }),
      outputSchema: z.object({ text: z.string() }),
    },
    ({ text }) => ({ content: [{ type: 'text', text }], structuredContent: { text } }),
  );
  return server;
});

const handle = toNodeHandler(handler);

createServer((request, response) => void handle(request, response)).listen(
  Number(process.env.MCP_PORT),
  '127.0.0.1',
);
