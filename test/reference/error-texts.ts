import type { ProblemCode } from '../../src/problems/problem.js';

interface ErrorText {
  readonly cause: string;
  readonly remedy: string;
}

/** Why each problem occurs and how to solve it. A code without an entry does not compile. */
export const ERROR_TEXTS: Readonly<Record<ProblemCode, ErrorText>> = {
  INVALID_REQUEST: {
    cause: 'A parameter or a field of the body has an invalid value, is missing, or is unknown.',
    remedy:
      'Correct the parameters and fields that `errors` lists, each with its `path` and `message`.',
  },
  MALFORMED_JSON: {
    cause: 'The body cannot be parsed as JSON, or contains a property such as `__proto__`.',
    remedy: 'Serialize the body with a JSON library.',
  },
  MALFORMED_URL: {
    cause: 'A part of the path is not valid percent-encoded UTF-8, such as `%zz`.',
    remedy: 'Encode each path segment, for example with `encodeURIComponent`.',
  },
  BODY_NOT_ALLOWED: {
    cause:
      'A GET or HEAD request has a body. Proxies and servers treat such a body in different ways, which attackers use to smuggle requests. The server closes the connection.',
    remedy: 'Send the request without a body.',
  },
  MALFORMED_HTTP: {
    cause:
      'The request violates the syntax of HTTP/1.1, for example because it lacks the `Host` header or has two contradicting lengths. The server closes the connection.',
    remedy:
      'Send the request with an HTTP library. If you already use one, check the proxies between client and server.',
  },
  INVALID_API_KEY: {
    cause:
      'The header `X-API-Key` is missing or repeated, or its key is unknown, expired, revoked, of another environment, or not allowed in the network of the client. The response never contains the reason; the field `outcome` of the request log does.',
    remedy:
      'Run `latchkey keys verify`, which names the reason. If the key is no longer valid, issue a new one.',
  },
  INVALID_ACCESS_TOKEN: {
    cause:
      'The Bearer token is missing, malformed or expired, its signature is not from the token issuer, or its issuer or audience is not the configured one.',
    remedy:
      'Get a new token. If the server refuses the new token, too, compare its `iss` and `aud` with `JWT_ISSUER` and `AUTH_TOKEN_AUDIENCE`.',
  },
  INSUFFICIENT_SCOPE: {
    cause: 'The key is valid, but does not have the scope that `requiredScope` names.',
    remedy: 'Issue a key with this scope. The scopes of an existing key never change.',
  },
  FIELD_NOT_ALLOWED: {
    cause:
      'The key is restricted to some fields of users, and the request writes another field or searches by another field. Or the request deletes a user, which a key with restricted write fields cannot do.',
    remedy:
      'Leave out the fields that `errors` lists, or issue a key that may use them. To delete users, issue a key without restricted write fields.',
  },
  GRANT_EXCEEDS_CALLER: {
    cause:
      'The caller has an issued key, and tries to issue or rotate a key with a scope, field, network, rate limit or expiry that the key of the caller does not permit.',
    remedy: 'Reduce the rights that `errors` lists, or use a root key or the command line.',
  },
  ACCESS_NOT_DECLARED: {
    cause: 'A handler of the server has no access decorator. This is a defect in the code.',
    remedy: 'Declare the access policy of the handler.',
  },
  ROUTE_NOT_FOUND: {
    cause: 'No route of the server has this path.',
    remedy: 'Compare the path with the [HTTP API](http-api.md), and check the base URL.',
  },
  USER_NOT_FOUND: {
    cause: 'No user has this id. The request counts as a [miss](glossary.md) of the key.',
    remedy: 'Check the id. Do not repeat the request.',
  },
  API_KEY_NOT_FOUND: {
    cause: 'No issued key has this id. A root key is not an issued key, so its id is not found.',
    remedy: 'List the ids with `latchkey keys list --all`.',
  },
  METHOD_NOT_ALLOWED: {
    cause: 'The path has a route, but not for the method of the request.',
    remedy: 'Use one of the methods in the header `Allow`.',
  },
  REQUEST_TIMEOUT: {
    cause: 'The headers did not arrive within 3 s, or the whole request within 5 s.',
    remedy: 'Repeat the request. If this happens often, check the network and the proxies.',
  },
  EMAIL_TAKEN: {
    cause:
      'Another user has this email. Emails that differ only in upper and lower case are equal.',
    remedy: 'Find the other user with `POST /api/internal/users/search`, or use another email.',
  },
  USER_ID_TAKEN: {
    cause: 'Another user has the `id` of the request.',
    remedy: 'Use another id, or leave out `id`: the server then generates an id.',
  },
  USER_HAS_ACCOUNTS: {
    cause: 'The user has accounts. A deletion would lose their balances.',
    remedy: 'Delete the accounts in the database first; the API cannot delete accounts.',
  },
  API_KEY_NOT_ACTIVE: {
    cause: 'The key is expired or revoked, so it cannot be rotated.',
    remedy: 'Issue a new key.',
  },
  API_KEY_ALREADY_ROTATED: {
    cause: 'The key has a successor from an earlier rotation. A key has at most one successor.',
    remedy: 'Rotate the successor instead. Its id is the `successorId` of the key.',
  },
  KEY_ENVIRONMENT_MISMATCH: {
    cause:
      '`latchkey keys` and the running servers have different values of `API_KEY_ENVIRONMENT`, so no server would accept the new key.',
    remedy: 'Set `API_KEY_ENVIRONMENT` to the value that `errors` names.',
  },
  LAST_WAY_IN: {
    cause: 'This is the last active issued key with `keys:write`. Only a root key can revoke it.',
    remedy: 'Issue another key with `keys:write` first, or revoke with a root key.',
  },
  BODY_TOO_LARGE: {
    cause: 'The body is larger than 64 KiB.',
    remedy: 'Send a smaller body.',
  },
  URL_TOO_LONG: {
    cause: 'The path and query are longer than 8,192 characters.',
    remedy:
      'Shorten the query. A list of ids in `ids` may have at most 100 entries; send several requests instead.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    cause: 'The `Content-Type` of the body is not `application/json`, or the body is compressed.',
    remedy: 'Send JSON with `Content-Type: application/json`, uncompressed.',
  },
  EXPECTATION_FAILED: {
    cause: 'The header `Expect` has a value other than `100-continue`.',
    remedy: 'Remove the header.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    cause: 'The same caller used this `Idempotency-Key` within a day for a different request.',
    remedy:
      'Use a new random value for each new request. Send the same value again only to repeat the same request.',
  },
  RATE_LIMITED: {
    cause:
      'The key, or a key that issued it, has made as many requests as its rate limit allows per minute. The limit of a key also includes requests of its predecessor and of the keys that it has issued.',
    remedy:
      'Wait for the seconds in `Retry-After`. If the load is legitimate, issue a key with a higher rate limit, or raise `KEY_RATE_LIMIT`.',
  },
  CONCURRENCY_LIMITED: {
    cause:
      'The key has `KEY_CONCURRENCY_LIMIT` requests in flight in this process, or too many of its write requests wait for a database connection.',
    remedy: 'Send fewer requests at the same time, and repeat this one after `Retry-After`.',
  },
  ENUMERATION_LIMITED: {
    cause:
      'The key has exceeded its hourly limit of distinct users, or of requests for users that do not exist. Perhaps an attacker has stolen the key.',
    remedy:
      'Wait for the seconds in `Retry-After`. If the caller is legitimate, raise `KEY_USERS_LIMIT` or `KEY_MISSES_LIMIT`; otherwise revoke the key.',
  },
  TOO_MANY_FAILURES: {
    cause:
      'The key is missing or invalid, and the network of the client has sent more than `SOURCE_FAILURE_LIMIT` requests with a missing or invalid key within a minute. Requests with a valid key from the same network are still accepted.',
    remedy: 'Correct the key as described for [`INVALID_API_KEY`](#invalid-api-key).',
  },
  HEADERS_TOO_LARGE: {
    cause: 'The headers exceed 16 KiB, or there are more than 100.',
    remedy: 'Send fewer headers. Cookies are not needed.',
  },
  INTERNAL_ERROR: {
    cause: 'A defect of the server, or a database error that no other code covers.',
    remedy: 'Find the log line with the same `requestId`, and report the stack trace.',
  },
  TOKEN_ISSUER_UNAVAILABLE: {
    cause:
      'The server cannot load the signing keys from `JWT_JWKS_URL`, and has not cached the key that the token needs.',
    remedy: 'Repeat the request after `Retry-After`. Check the issuer and the network.',
  },
  KEYS_UNAVAILABLE: {
    cause:
      'The server has received no heartbeat of the [key sync](glossary.md) for 5 s, so its copy of the issued keys may be out of date. Root keys still work.',
    remedy:
      'Repeat the request after `Retry-After`. If the error continues, follow the [runbook](../how-to/alert-runbook.md#latchkeykeysyncstale).',
  },
  OVERLOADED: {
    cause:
      'More requests arrive than the process can serve: its queue is full, or too many write requests wait for a database connection.',
    remedy:
      'Repeat the request after `Retry-After`, with a longer delay each time. If the load is legitimate, add instances.',
  },
  SCHEMA_OUTDATED: {
    cause: 'The database lacks a table or column, because migrations have not been applied.',
    remedy: 'Apply the migrations as in [Upgrade](../how-to/upgrade.md).',
  },
  DATABASE_UNAVAILABLE: {
    cause: 'PostgreSQL is unreachable or too slow, or no connection of the pool became free.',
    remedy:
      'Repeat the request after `Retry-After`. Check the database and `GET /api/health/ready`.',
  },
};
