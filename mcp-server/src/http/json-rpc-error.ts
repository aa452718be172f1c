/** The body of an error response to a request that the MCP SDK has not read. */
export function jsonRpcError(message: string) {
  return { jsonrpc: '2.0', error: { code: -32000, message }, id: null };
}
