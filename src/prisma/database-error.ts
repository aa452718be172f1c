import { DatabaseError } from 'pg';
import { z } from 'zod';
import { Prisma } from '../generated/prisma/client.js';
import { ConnectionError, PooledSessionError } from './connection-error.js';

// https://www.prisma.io/docs/orm/reference/error-reference
const UNAVAILABLE_PRISMA_CODES = new Set([
  'P1000', // authentication failed
  'P1001', // unreachable
  'P1002', // timed out
  'P1003', // database missing
  'P1008', // operation timed out
  'P1010', // access denied
  'P1011', // TLS failed
  'P1017', // connection closed
  'P2024', // no connection of the pool
  'P2028', // a transaction that took too long
  'P2037', // too many connections
]);

// https://nodejs.org/api/errors.html#common-system-errors; ENOENT is a missing socket or CA file.
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)$/;

// The server ended the connection, so nobody heard whether the statement was carried out: shut down, or crashed.
const LOST_SQLSTATES = /^(08006|57P01|57P02)$/;
const LOST_SOCKETS = /^(ECONNRESET|EPIPE)$/;

// adapter-pg's name for an error of the driver without further details.
const UNAVAILABLE_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'AuthenticationFailed',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
]);

const READ_ONLY = '25006';
const STALE_PLAN = '0A000';
// Foreign key (23001 since PostgreSQL 18) and unique index.
const VIOLATION = /^23(001|503|505)$/;

// Lock and statement time-outs, deadlocks, and sessions that another one has ended.
const BLOCKED_SQLSTATES = /^(55P03|57014|40P01|57P01)$/;

// Classes of SQLSTATE: connection, resources, operator intervention (shut down, cancelled on time-out); and locks, deadlocks, standbys.
const UNAVAILABLE_SQLSTATES = /^(08|53|57)|^55P03$|^40P01$|^25006$/;

// The driver's own errors, which adapter-pg 7.10 passes on as plain `Error`s without a code.
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

const driverErrorSchema = z.object({
  driverAdapterError: z.object({
    cause: z.object({ kind: z.string().optional(), originalCode: z.string().optional() }),
  }),
});

const adapterErrorSchema = z.object({
  name: z.literal('DriverAdapterError'),
  cause: z.object({ kind: z.string(), originalCode: z.string().optional() }),
});

/** The statement was not sent, since those before it have failed. */
export class CircuitOpenError extends Error {
  constructor() {
    super('The database has failed too often');
  }
}

/** Whether the database could not serve for now, so that the same request may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    // A raw query fails with P2010, whatever the driver's error is.
    const { kind = '', originalCode = '' } = driverError(error) ?? {};
    return (
      UNAVAILABLE_PRISMA_CODES.has(error.code) ||
      UNAVAILABLE_KINDS.has(kind) ||
      UNAVAILABLE_SQLSTATES.test(originalCode)
    );
  }
  if (!(error instanceof Error)) return false;
  const { kind, code } = describe(error);
  return (
    error instanceof CircuitOpenError ||
    error instanceof ConnectionError ||
    error instanceof PooledSessionError ||
    UNAVAILABLE_KINDS.has(kind) ||
    UNAVAILABLE_MESSAGES.has(error.message) ||
    UNREACHABLE.test(code) ||
    (isSqlState(error) && UNAVAILABLE_SQLSTATES.test(code))
  );
}

/** Whether the connection broke under the statement, so that a new one may be all that it needs. Not for Prisma's errors. */
export function hasLostConnection(error: unknown): boolean {
  if (error instanceof ConnectionError) return hasLostConnection(error.cause);
  if (!(error instanceof Error)) return false;
  const { kind, code } = describe(error);
  return (
    kind === 'ConnectionClosed' ||
    LOST_MESSAGES.has(error.message) ||
    LOST_SOCKETS.test(code) ||
    LOST_SQLSTATES.test(code)
  );
}

/** Whether another session kept the statement from being carried out, so that it may succeed at once. */
export function wasBlocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const sqlState = driverError(error)?.originalCode ?? describe(error).code;
  return BLOCKED_SQLSTATES.test(sqlState);
}

/** Whether a named statement was planned before the columns of its table changed. */
export function hasStalePlan(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === STALE_PLAN;
}

/** Whether a write met a standby. Not for Prisma's errors. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && describe(error).code === READ_ONLY;
}

/** The foreign key or unique index that a statement of the driver violated, if it did. */
export function violatedConstraint(error: unknown): string | undefined {
  const isViolation = error instanceof DatabaseError && VIOLATION.test(error.code ?? '');
  return isViolation ? error.constraint : undefined;
}

/**
 * The error as it may be logged. Prisma's messages quote the arguments of the call, which are personal data: what
 * remains is its code, the SQLSTATE and where it happened.
 */
export function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.startsWith('PrismaClient')) return error;
  const known = error instanceof Prisma.PrismaClientKnownRequestError ? error : undefined;
  const sqlState = known && driverError(known)?.originalCode;
  const safe = new Error(
    `${error.name} ${known?.code ?? ''} ${sqlState ? `SQLSTATE ${sqlState}` : ''}`.trim(),
  );
  const frames = error.stack?.split('\n').filter((line) => /^ {4}at /.test(line)) ?? [];
  safe.stack = [safe.message, ...frames].join('\n');
  return safe;
}

function describe(error: Error): { kind: string; code: string } {
  const { cause } = adapterErrorSchema.safeParse(error).data ?? {};
  const code = cause?.originalCode ?? ('code' in error ? String(error.code) : '');
  return { kind: cause?.kind ?? '', code };
}

function isSqlState(error: Error): boolean {
  return error instanceof DatabaseError || error.name === 'DriverAdapterError';
}

function driverError(error: Error) {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  return driverErrorSchema.safeParse(error.meta).data?.driverAdapterError.cause;
}
