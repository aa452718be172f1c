import { requestIdOf } from '@latchkey/logging/request-id';

export const MAX_HEADER_BYTES = 16 * 1024;

/**
 * The Fastify options that both servers share.
 * @param trustedProxies addresses and networks of proxies whose `X-Forwarded-For` is trusted
 */
export function serverOptions(trustedProxies: readonly string[]) {
  return {
    genReqId: requestIdOf,
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    requestTimeout: 5000,
    // Requests that arrive while the server drains are still served.
    return503OnClosing: false,
    // Fastify's schema compilers would delay the start by 80 ms, and no route has a JSON schema.
    schemaController: { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } },
    http: {
      headersTimeout: 3000,
      connectionsCheckingInterval: 250,
      maxHeaderSize: MAX_HEADER_BYTES,
      // `ProtocolErrorHandler` refuses requests without Host, because Node's response has no body.
      requireHostHeader: false,
    },
  };
}

function refuse(): never {
  throw new Error('Fastify must not compile JSON schemas: validate with zod instead.');
}
