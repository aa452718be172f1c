import { EnvironmentError } from '@latchkey/environment/read-environment';
import type { UrlVariable } from './database-urls.js';

const CERTIFICATE =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?))$/;

// By SQLSTATE, Node's code, or the message of an error without a code.
const REMEDIES: readonly [RegExp, (variable: UrlVariable) => string][] = [
  [/^28P01$/, (url) => `the server refuses the user or password; correct ${url}`],
  [
    /^28000$/,
    (url) => `the server does not admit this user here; check pg_hba.conf, LOGIN and ${url}`,
  ],
  [/^3D000$/, (url) => `the database does not exist; create it, or correct ${url}`],
  [/^53300$/, () => 'the server has no connection left; lower DATABASE_POOL_MAX'],
  [
    CERTIFICATE,
    (url) =>
      `the CA of the server's certificate is unknown; add sslrootcert=<file of the CA> to ${url} (sslmode=require verifies here, unlike in libpq)`,
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    (url) => `the server's certificate is for another host; use its name in ${url}`,
  ],
  [/^CERT_HAS_EXPIRED$/, () => "the server's certificate has expired; renew it"],
  [
    /does not support SSL/,
    (url) => `the server has no TLS; enable it there, or remove sslmode from ${url}`,
  ],
  [/^(ENOTFOUND|EAI_AGAIN)$/, (url) => `the host is not found; correct its name in ${url}`],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOENT)$/,
    (url) => `no server answers; start it, or correct ${url}`,
  ],
];

/** A failed connection to the database. The message has the cause and the remedy. */
export class ConnectionError extends Error {
  constructor(variable: UrlVariable, cause: unknown) {
    const { code = '', message } = describe(cause);
    const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(code || message)) ?? [];
    const reason = remedy?.(variable) ?? `${message}; check ${variable}`;
    super(`Cannot connect to the database: ${reason}${code && ` (${code})`}`, { cause });
  }
}

/** A transaction pooler delivers no notifications. */
export class PooledSessionError extends EnvironmentError {
  constructor(variable: UrlVariable) {
    const remedy = 'set it to the URL of the database itself';
    super([
      variable === 'DIRECT_URL'
        ? `DIRECT_URL: leads to a transaction pooler; ${remedy}`
        : `DIRECT_URL: is required, because DATABASE_URL leads to a transaction pooler; ${remedy}`,
    ]);
  }
}

function describe(cause: unknown): { code?: string; message: string } {
  if (!(cause instanceof Error)) return { message: String(cause) };
  if (!('code' in cause)) return { message: cause.message };
  return { code: String(cause.code), message: cause.message };
}
