import { Prisma } from '../generated/prisma/client.js';

export function isDatabaseUnavailable(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientInitializationError;
}
export function isRecordNotFound(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2025';
}
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2003';
}
export function violatedUniqueIndex(error: unknown): string | undefined {
  return undefined;
}
