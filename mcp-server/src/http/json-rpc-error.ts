/** Returns the response body for a request that is refused before it reaches the MCP SDK. */
export function jsonRpcError(message: string) {
  return { jsonrpc: '2.0', error: { code: -32000, message }, id: null };
}
