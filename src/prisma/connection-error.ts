import { EnvironmentError } from '@latchkey/environment/read-environment';
import type { UrlVariable } from './database-urls.js';

const UNKNOWN_CA =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?))$/;

// Each pattern matches the SQLSTATE, Node's error code or, if the error has no code, the message.
const REMEDIES: readonly [RegExp, string][] = [
  [/^28P01$/, 'the server refuses the user or password; correct DATABASE_URL'],
  [
    /^28000$/,
    'the server does not admit this user from this host; check pg_hba.conf, the LOGIN attribute of the role and DATABASE_URL',
  ],
  [/^3D000$/, 'the database does not exist; create it, or correct DATABASE_URL'],
  [/^53300$/, 'the server has no free connection; lower DATABASE_POOL_MAX'],
  [
    UNKNOWN_CA,
    "the CA of the server's certificate is unknown; add sslrootcert=<file of the CA> to DATABASE_URL (unlike libpq, Latchkey verifies certificates even with sslmode=require)",
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    "the server's certificate is for another host name; use that name in DATABASE_URL",
  ],
  [/^CERT_HAS_EXPIRED$/, "the server's certificate has expired; renew it"],
  [
    /does not support SSL/,
    'the server has no TLS; enable it there, or remove sslmode from DATABASE_URL',
  ],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the host is not found; correct its name in DATABASE_URL'],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOENT)$/,
    'no server answers; start the server, or correct DATABASE_URL',
  ],
];

/** A failed attempt to connect to the database. The message states the cause and the remedy. */
export class ConnectionError extends Error {
  constructor(variable: UrlVariable, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(code || message)) ?? [];
    const reason = remedy?.replace('DATABASE_URL', variable) ?? `${message}; check ${variable}`;
    super(`Cannot connect to the database: ${reason}${code && ` (${code})`}`, { cause });
  }
}

/** The URL leads to a transaction pooler, through which LISTEN and NOTIFY do not work. */
export class PooledSessionError extends EnvironmentError {
  constructor(variable: UrlVariable) {
    const remedy = 'set DIRECT_URL to the URL of the database itself';
    super([
      variable === 'DIRECT_URL'
        ? `DIRECT_URL: leads to a transaction pooler; ${remedy}`
        : `DIRECT_URL: is required, because DATABASE_URL leads to a transaction pooler; ${remedy}`,
    ]);
  }
}
