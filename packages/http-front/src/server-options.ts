import { requestIdOf } from '@latchkey/logging/request-id';

export const MAX_HEADER_BYTES = 16 * 1024;

/**
 * The Fastify options that both servers share.
 * @param trustedProxies addresses and networks whose `X-Forwarded-For` counts
 */
export function serverOptions(trustedProxies: readonly string[]) {
  return {
    genReqId: requestIdOf,
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    requestTimeout: 5000,
    // Clients that still send requests while the server drains are served.
    return503OnClosing: false,
    // No route has a JSON schema, and Fastify's compilers take 80 ms of a start.
    schemaController: { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } },
    http: {
      headersTimeout: 3000,
      connectionsCheckingInterval: 250,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node would answer without a body: `ProtocolErrorHandler` refuses a missing Host.
      requireHostHeader: false,
    },
  };
}

function refuse(): never {
  throw new Error('Fastify compiles no schemas here: zod validates.');
}
