import { describe, expect, it } from 'vitest';
import { DriverAdapterError } from '@prisma/driver-adapter-utils';
import { DatabaseError } from 'pg';
import { Prisma } from '../generated/prisma/client.js';
import {
  CircuitOpenError,
  hasLostConnection,
  isDatabaseUnavailable,
  isReadOnly,
  violatedConstraint,
} from './database-error.js';

function prismaError(code: string, cause?: object): Error {
  const meta = cause && { driverAdapterError: { name: 'DriverAdapterError', cause } };
  return new Prisma.PrismaClientKnownRequestError('failed', { code, clientVersion: '7', meta });
}
const withSqlState = (originalCode: string) =>
  prismaError('P2039', { kind: 'postgres', originalCode });

describe('isDatabaseUnavailable', () => {
  it.each(['P1001', 'P1017', 'P2024', 'P2037'])('recognizes Prisma’s %s', (code) => {
    expect(isDatabaseUnavailable(prismaError(code))).toBe(true);
  });

  it.each(['08006', '53300', '57014', '57P01', '57P03', '55P03', '25006'])(
    'recognizes SQLSTATE %s',
    (sqlState) => {
      expect(isDatabaseUnavailable(withSqlState(sqlState))).toBe(true);
    },
  );

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
  ])('recognizes the driver’s error “%s”, which has no code', (message) => {
    expect(isDatabaseUnavailable(new Error(message))).toBe(true);
  });

  it.each([
    withSqlState('22021'),
    withSqlState('42P01'),
    withSqlState('23505'),
    prismaError('P2021'),
    prismaError('P2039'),
    new Error('Query read timeout of mine'),
    'Connection terminated',
    null,
  ])('does not recognize %o', (error) => {
    expect(isDatabaseUnavailable(error)).toBe(false);
  });
});

describe('errors of the driver and its adapter', () => {
  const withCode = (code: string) => Object.assign(new Error('failed'), { code });
  const postgres = (originalCode: string) =>
    new DriverAdapterError({
      kind: 'postgres',
      code: originalCode,
      severity: 'FATAL',
      message: 'failed',
      detail: undefined,
      column: undefined,
      hint: undefined,
      originalCode,
    });

  it.each([
    new Error('Connection terminated unexpectedly'),
    withCode('ECONNRESET'),
    withCode('EPIPE'),
    new DriverAdapterError({ kind: 'ConnectionClosed' }),
    postgres('57P01'),
    postgres('57P02'),
  ])('that mean a lost connection are recognized: %o', (error) => {
    expect(hasLostConnection(error)).toBe(true);
    expect(isDatabaseUnavailable(error)).toBe(true);
  });

  it.each([
    new DriverAdapterError({ kind: 'DatabaseNotReachable' }),
    new DriverAdapterError({ kind: 'TooManyConnections', cause: 'full' }),
    postgres('57014'),
    postgres('57P03'),
    withCode('ECONNREFUSED'),
    new Error('Query read timeout'),
    new CircuitOpenError(),
  ])('that mean an unavailable database, but no lost connection, are recognized: %o', (error) => {
    expect(hasLostConnection(error)).toBe(false);
    expect(isDatabaseUnavailable(error)).toBe(true);
  });

  it.each([postgres('23505'), new DriverAdapterError({ kind: 'TableDoesNotExist' }), 'text'])(
    'with another cause mean neither a lost connection nor an unavailable database: %o',
    (error) => {
      expect(hasLostConnection(error)).toBe(false);
      expect(isDatabaseUnavailable(error)).toBe(false);
    },
  );

  it('that mean a write to a standby are recognized', () => {
    expect(isReadOnly(postgres('25006'))).toBe(true);
    expect(isReadOnly(postgres('57P01'))).toBe(false);
    expect(isReadOnly('25006')).toBe(false);
  });
});

describe('violatedConstraint', () => {
  const withConstraint = (code: string, constraint?: string) =>
    Object.assign(new DatabaseError('failed', 6, 'error'), { code, constraint });

  it.each(['23001', '23503', '23505'])('names the violated constraint for SQLSTATE %s', (code) => {
    expect(violatedConstraint(withConstraint(code, 'users_email_key'))).toBe('users_email_key');
  });

  it.each([
    withConstraint('23505'),
    withConstraint('23514', 'users_email_key'),
    Object.assign(new Error('failed'), { code: '23505', constraint: 'users_email_key' }),
    new DatabaseError('failed', 6, 'error'),
  ])('finds no constraint in %o', (error) => {
    expect(violatedConstraint(error)).toBeUndefined();
  });
});
