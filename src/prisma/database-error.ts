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

// The connection ended, so the outcome of the statement is unknown.
const LOST_SQLSTATES = /^(08006|57P01|57P02)$/;
const LOST_SOCKETS = /^(ECONNRESET|EPIPE)$/;

// adapter-pg's kind for driver errors that it does not classify.
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

// Data exceptions, constraints, and what triggers of the operator raise.
const QUOTING_SQLSTATES = /^(22|23|P0)/;

const READ_ONLY = '25006';
const STALE_PLAN = '0A000';
// Foreign key (23001 since PostgreSQL 18) and unique index.
const VIOLATION = /^23(001|503|505)$/;

// Lock and statement time-outs, deadlocks, and terminated sessions.
const BLOCKED_SQLSTATES = /^(55P03|57014|40P01|57P01)$/;

// SQLSTATE classes: connection, resources, operator intervention; locks, deadlocks, standbys.
const UNAVAILABLE_SQLSTATES = /^(08|53|57)|^55P03$|^40P01$|^25006$/;

// The driver's own errors, which adapter-pg 7.10 passes on without a code.
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

/** Not sent, because the preceding statements failed. */
export class CircuitOpenError extends Error {
  constructor() {
    super('The database has failed too often');
  }
}

/** Whether the database was temporarily unavailable, so that the same request may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    // Raw queries fail with P2010 for any driver error.
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

/** Whether the connection broke during the statement. Not for Prisma's errors. */
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

/** Whether another session prevented the statement, so that a retry may succeed at once. */
export function wasBlocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const sqlState = driverError(error)?.originalCode ?? describe(error).code;
  return BLOCKED_SQLSTATES.test(sqlState);
}

/** Whether the columns changed after a named statement was planned. */
export function hasStalePlan(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === STALE_PLAN;
}

/** Whether a standby refused a write. Not for Prisma's errors. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && describe(error).code === READ_ONLY;
}

/** Returns the violated foreign key or unique index, if there is one. */
export function violatedConstraint(error: unknown): string | undefined {
  const isViolation = error instanceof DatabaseError && VIOLATION.test(error.code ?? '');
  return isViolation ? error.constraint : undefined;
}

/**
 * Returns the error as it may be logged. Prisma's messages quote the arguments of the call, and
 * some of PostgreSQL's quote values of the row: the codes and the stack remain.
 */
export function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof DatabaseError) {
    return QUOTING_SQLSTATES.test(error.code ?? '')
      ? withMessage(error, `SQLSTATE ${error.code}`)
      : error;
  }
  if (!error.name.startsWith('PrismaClient')) return error;
  const known = error instanceof Prisma.PrismaClientKnownRequestError ? error : undefined;
  const sqlState = known && driverError(known)?.originalCode;
  const codes = `${known?.code ?? ''} ${sqlState ? `SQLSTATE ${sqlState}` : ''}`;
  return withMessage(error, `${error.name} ${codes}`.trim());
}

function withMessage({ stack = '' }: Error, message: string): Error {
  const safe = new Error(message);
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  safe.stack = [message, ...frames].join('\n');
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
