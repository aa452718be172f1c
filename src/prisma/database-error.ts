import { DatabaseError } from 'pg';
import { z } from 'zod';
import { ConnectionError, PooledSessionError } from './connection-error.js';

export const OUTDATED_SCHEMA =
  'The database schema is missing or older than this version: run npx prisma migrate deploy; in production, run ' +
  'node deploy/database/migrate.mjs.';

const UNAVAILABLE_CODES = new Set([
  // https://www.prisma.io/docs/orm/reference/error-reference
  'P1000', // authentication failed
  'P1001', // unreachable
  'P1002', // timed out
  'P1003', // database missing
  'P1008', // operation timed out
  'P1010', // access denied
  'P1011', // TLS failed
  'P1017', // connection closed
  'P2024', // no free connection in the pool
  'P2028', // transaction timed out
  'P2037', // too many connections
  // The kinds that adapter-pg gives to errors of an unavailable database.
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'AuthenticationFailed',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  // https://nodejs.org/api/errors.html#common-system-errors; ENOENT is a missing socket or CA file.
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
// Three classes (lost connections, exhausted resources, operator intervention), and three codes
// (lock time-out, deadlock, write to a standby).
const UNAVAILABLE_SQLSTATES = /^(08|53|57)...$|^(55P03|40P01|25006)$/;
// Messages of pg's own errors, which adapter-pg 7.10 passes on without a code.
const LOST_MESSAGES = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Client has encountered a connection error and is not queryable',
]);
const UNAVAILABLE_MESSAGES = new Set([
  ...LOST_MESSAGES,
  'Client was closed and is not queryable',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
]);

// Codes of a broken connection. The server may or may not have executed the statement.
const LOST = /^(ConnectionClosed|ECONNRESET|EPIPE|08006|57P01|57P02)$/;
// Lock and statement time-outs, deadlocks, and terminated sessions.
const BLOCKED = /^(55P03|57014|40P01|57P01)$/;
// An undefined table, column, function or schema, as PostgreSQL, Prisma and adapter-pg report it.
const UNDEFINED_OBJECT = /^(42P01|42703|42883|3F000|P2021|P2022|TableDoesNotExist|ColumnNotFound)$/;
const READ_ONLY = /^25006$/;
const STALE_PLAN = /^0A000$/;
// Violations of a foreign key (23001 since PostgreSQL 18) or a unique index.
const VIOLATION = /^23(001|503|505)$/;
// SQLSTATE classes whose messages quote row values: data exceptions, constraint violations, and
// errors that the operator's own triggers raise.
const QUOTING_SQLSTATES = /^(22|23|P0)/;

/** The circuit breaker did not send the statement, because preceding statements failed. */
export class CircuitOpenError extends Error {
  constructor() {
    super('Statement not sent, because preceding statements failed');
  }
}

/** Whether the database was temporarily unavailable, so that the same request may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error instanceof CircuitOpenError ||
    error instanceof ConnectionError ||
    error instanceof PooledSessionError ||
    UNAVAILABLE_MESSAGES.has(error.message) ||
    codesOf(error).some((code) => UNAVAILABLE_CODES.has(code)) ||
    hasCode(error, UNAVAILABLE_SQLSTATES)
  );
}

/** Whether the connection broke during the statement. */
export function hasLostConnection(error: unknown): boolean {
  if (error instanceof ConnectionError) return hasLostConnection(error.cause);
  return (error instanceof Error && LOST_MESSAGES.has(error.message)) || hasCode(error, LOST);
}

/** Whether another session blocked or ended the statement. An immediate retry may succeed. */
export function wasBlocked(error: unknown): boolean {
  return hasCode(error, BLOCKED);
}

/** Whether a statement failed because migrations have not been applied. */
export function isSchemaOutdated(error: unknown): boolean {
  return hasCode(error, UNDEFINED_OBJECT);
}

/** Whether the columns changed after a named statement was planned. */
export function hasStalePlan(error: unknown): boolean {
  return hasCode(error, STALE_PLAN);
}

/** Whether a standby refused a write. */
export function isReadOnly(error: unknown): boolean {
  return hasCode(error, READ_ONLY);
}

/** Returns the violated foreign key or unique index if an error of pg (not of Prisma) names one. */
export function violatedConstraint(error: unknown): string | undefined {
  const isViolation = error instanceof DatabaseError && hasCode(error, VIOLATION);
  return isViolation ? error.constraint : undefined;
}

/**
 * Returns an error that may be logged. Messages of Prisma quote the arguments of the call, and some
 * messages of PostgreSQL quote values of the row. Of such errors, only codes and stack remain.
 */
export function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const isFromPrisma = error.name.startsWith('PrismaClient');
  const quotesRow = error instanceof DatabaseError && hasCode(error, QUOTING_SQLSTATES);
  if (!isFromPrisma && !quotesRow) return error;
  const safe = new Error([error.name, ...codesOf(error)].join(' '));
  const frames = error.stack?.split('\n').filter((line) => /^ {4}at /.test(line)) ?? [];
  safe.stack = [safe.message, ...frames].join('\n');
  return safe;
}

const causeSchema = z.object({ kind: z.string().optional(), originalCode: z.string().optional() });
const errorSchema = z.object({
  code: z.string().optional().catch(undefined),
  cause: causeSchema.optional().catch(undefined),
  meta: z
    .object({ driverAdapterError: z.object({ cause: causeSchema }) })
    .optional()
    .catch(undefined),
});

function hasCode(error: unknown, pattern: RegExp): boolean {
  return codesOf(error).some((code) => pattern.test(code));
}

/** Returns the codes that Prisma, adapter-pg, pg and PostgreSQL have given to an error. */
function codesOf(error: unknown): string[] {
  const { code, cause, meta } = errorSchema.safeParse(error).data ?? {};
  const { kind, originalCode } = meta?.driverAdapterError.cause ?? cause ?? {};
  return [code, kind, originalCode].filter((each) => each !== undefined);
}
