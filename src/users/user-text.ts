/** The columns of `UserColumns`, in their order. */
export const USER_COLUMNS = 'id, email, name, phone, roles, permissions, created_at, last_login_at';

/** A row as PostgreSQL writes it, each value as text: nothing has been parsed. Times are of a session in UTC. */
export type UserColumns = [
  id: string,
  email: string,
  name: string,
  phone: string | null,
  roles: string | null,
  permissions: string | null,
  createdAt: string,
  lastLoginAt: string | null,
];

/** Makes the driver return each value as PostgreSQL writes it. */
export const asText = { getTypeParser: () => (text: string) => text };

/**
 * A row as the JSON text of a user, put together from PostgreSQL's own text: an array or a date that is parsed only to be written
 * again costs more than all the rest of a look-up.
 */
export function toUserText([
  id,
  email,
  name,
  phone,
  roles,
  permissions,
  createdAt,
  lastLoginAt,
]: UserColumns): string {
  return (
    // Neither an id nor a phone number has a character that JSON escapes: the database checks both.
    `{"id":"${id}","email":${JSON.stringify(email)},"name":${JSON.stringify(name)},` +
    `"phone":${phone === null ? 'null' : `"${phone}"`},` +
    `"roles":${arrayText(roles)},"permissions":${arrayText(permissions)},` +
    `"createdAt":"${timeText(createdAt)}",` +
    `"lastLoginAt":${lastLoginAt === null ? 'null' : `"${timeText(lastLoginAt)}"`}}`
  );
}

const PLAIN_ARRAY = /^\{[a-z0-9:_,-]*\}$/;
// Few sets of roles and permissions are had by many users: to look one up takes a fifth of the time that writing it does.
const MAX_KNOWN_ARRAYS = 1000;
const knownArrays = new Map<string, string>();

/** `{read,transact}` as `["read","transact"]`. */
function arrayText(array: string | null): string {
  // Null in rows that were written past the API.
  if (array === null) return '[]';
  const known = knownArrays.get(array);
  if (known !== undefined) return known;
  if (knownArrays.size >= MAX_KNOWN_ARRAYS) knownArrays.clear();
  const text = toArrayText(array);
  knownArrays.set(array, text);
  return text;
}

function toArrayText(array: string): string {
  if (array === '{}') return '[]';
  if (PLAIN_ARRAY.test(array)) return `["${array.slice(1, -1).replaceAll(',', '","')}"]`;
  return JSON.stringify(parseArray(array));
}

/** An array of which PostgreSQL has put some elements in quotes. */
function parseArray(array: string): string[] {
  const elements = array.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^",]+/gs);
  return Array.from(elements, ([plain, quoted]) => quoted?.replaceAll(/\\(.)/gs, '$1') ?? plain);
}

/** `2025-01-01 00:00:00.5+00` as `2025-01-01T00:00:00.500Z`. */
function timeText(time: string): string {
  const fraction = time.slice('2025-01-01 00:00:00.'.length, -'+00'.length);
  return `${time.slice(0, 10)}T${time.slice(11, 19)}.${fraction.padEnd(3, '0')}Z`;
}
