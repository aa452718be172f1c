import type { RequestTemplate } from './load/load.js';

const REVISION = '2026-07-28';

export interface ToolCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Text that every response must contain, because the status is 200 even for a tool error. */
  readonly expects: string;
  /** Access tokens of users. Each call uses a random token. */
  readonly tokens: readonly string[];
}

/** The HTTP request by which a client of the newest MCP revision calls a tool. */
export function toolCallRequest({ tool, expects, tokens, ...call }: ToolCall): RequestTemplate {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': REVISION,
    'io.modelcontextprotocol/clientInfo': { name: 'latchkey-bench', version: '0.1.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return {
    method: 'POST',
    path: '/mcp',
    headers: {
      Authorization: 'Bearer {value}',
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': REVISION,
      'Mcp-Method': 'tools/call',
      'Mcp-Name': tool,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: tool, arguments: call.arguments, _meta: meta },
    }),
    values: tokens,
    expects,
  };
}
