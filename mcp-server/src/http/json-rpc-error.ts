/** Returns the body of the response to a request that is refused before the MCP SDK reads it. */
export function jsonRpcError(message: string) {
  return { jsonrpc: '2.0', error: { code: -32000, message }, id: null };
}
