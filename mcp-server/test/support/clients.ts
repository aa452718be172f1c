import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';

const INFO = { name: 'latchkey-tests', version: '1' };

// The fields that the tests check. Results in versions 1 and 2 of the MCP SDK have these fields.
const toolResultSchema = z.object({
  isError: z.boolean().optional(),
  content: z.array(z.object({ type: z.literal('text'), text: z.string() })),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
});

export type ToolResult = z.infer<typeof toolResultSchema>;

export interface TestClient {
  toolNames(): Promise<string[]>;
  callTool(name: string, args?: Record<string, unknown>): Promise<ToolResult>;
  protocolVersion(): string | undefined;
  close(): Promise<void>;
}

export const CLIENT_KINDS = ['v2 auto', 'v2 pinned to 2026-07-28', 'v2 legacy', 'v1'] as const;
export type ClientKind = (typeof CLIENT_KINDS)[number];

const NEGOTIATION = {
  'v2 auto': 'auto',
  'v2 pinned to 2026-07-28': { pin: '2026-07-28' },
  'v2 legacy': 'legacy',
} as const;

export async function connect(
  url: URL,
  token: string,
  kind: ClientKind = 'v2 pinned to 2026-07-28',
): Promise<TestClient> {
  return kind === 'v1' ? connectV1(url, token) : connectV2(url, token, NEGOTIATION[kind]);
}

async function connectV2(
  url: URL,
  token: string,
  mode: (typeof NEGOTIATION)[keyof typeof NEGOTIATION],
): Promise<TestClient> {
  const client = new Client(INFO, { versionNegotiation: { mode } });
  const authProvider = { token: async () => token };
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
  return {
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}) =>
      toolResultSchema.parse(await client.callTool({ name, arguments: args })),
    protocolVersion: () => client.getNegotiatedProtocolVersion(),
    close: () => client.close(),
  };
}

async function connectV1(url: URL, token: string): Promise<TestClient> {
  const client = new ClientV1(INFO);
  const transport = new TransportV1(url, {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  return {
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}) =>
      toolResultSchema.parse(await client.callTool({ name, arguments: args })),
    protocolVersion: () => transport.protocolVersion,
    close: () => client.close(),
  };
}

/** Connects, calls one tool and disconnects. */
export async function callTool(
  url: URL,
  token: string,
  name: string,
  args?: Record<string, unknown>,
): Promise<ToolResult> {
  const client = await connect(url, token);
  try {
    return await client.callTool(name, args);
  } finally {
    await client.close();
  }
}

/** Returns the sentence of a tool's result. */
export function sentence(result: ToolResult): string | undefined {
  return result.content[0]?.text;
}
