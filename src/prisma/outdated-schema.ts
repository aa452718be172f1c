import { z } from 'zod';

/** The remedy is the same for the server and the commands. */
export const OUTDATED_SCHEMA =
  'The database schema is missing or older than this version: run npx prisma migrate deploy, or in production ' +
  'node deploy/database/migrate.mjs.';

// Undefined table, column, function and schema.
const UNDEFINED_OBJECT = /^(42P01|42703|42883|3F000)$/;
// Prisma's own codes for a table and a column, and the kinds of its adapter.
const PRISMA_CODE = /^(P2021|P2022)$/;
const ADAPTER_KIND = /^(TableDoesNotExist|ColumnNotFound)$/;

const causeSchema = z.object({
  kind: z.string().default(''),
  originalCode: z.string().default(''),
});
const errorSchema = z.object({
  code: z.string().default(''),
  cause: causeSchema.optional().catch(undefined),
  meta: z
    .object({ driverAdapterError: z.object({ cause: causeSchema }) })
    .optional()
    .catch(undefined),
});

/** Whether a statement failed because migrations have not been applied. */
export function isSchemaOutdated(error: unknown): boolean {
  const { data } = errorSchema.safeParse(error);
  if (data === undefined) return false;
  const { kind = '', originalCode = '' } = data.meta?.driverAdapterError.cause ?? data.cause ?? {};
  const isUndefined = [data.code, originalCode].some((code) => UNDEFINED_OBJECT.test(code));
  return isUndefined || PRISMA_CODE.test(data.code) || ADAPTER_KIND.test(kind);
}
