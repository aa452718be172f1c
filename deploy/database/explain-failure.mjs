// PostgreSQL's routines and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const INSUFFICIENT_PRIVILEGE = '42501';
const CONNECTION_FAILURES = new Map([
  ['28P01', 'the password is wrong'],
  ['28000', 'the server does not admit this account: check pg_hba.conf'],
  ['3D000', 'the database does not exist'],
  ['ECONNREFUSED', 'no server listens there'],
  ['ENOTFOUND', 'its host is unknown'],
]);

/**
 * One sentence with the cause and the remedy, in place of a stack trace.
 * @param {unknown} error
 */
export function explainFailure(error) {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  const routine = 'routine' in error ? String(error.routine) : '';
  const cause = CONNECTION_FAILURES.get(code);
  if (cause !== undefined) return `DATABASE_URL can't be used (${code}): ${cause}.`;
  if (code === INSUFFICIENT_PRIVILEGE && /Role/.test(routine)) {
    return `The owner in DATABASE_URL may not make or change roles (${error.message}): let a superuser run ALTER ROLE … CREATEROLE.`;
  }
  if (code === INSUFFICIENT_PRIVILEGE) {
    return `The owner in DATABASE_URL lacks a right (${error.message}): let the owner of the database migrate.`;
  }
  return code === '' ? error.message : `The migration failed (${code}): ${error.message}.`;
}
