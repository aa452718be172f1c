import { USER_FIELD_TABLE, columnOf } from './user-fields.js';

/** The values of `USER_COLUMNS` as PostgreSQL writes them in a session with time zone UTC. */
export type UserRow = [id: string, ...others: (string | null)[]];

const fields = Object.entries(USER_FIELD_TABLE);

export const USER_COLUMNS = fields.map(([name]) => columnOf(name)).join(', ');

/** Makes the driver return each value in the text form of PostgreSQL. */
export const AS_TEXT = { getTypeParser: () => (text: string) => text };

const members = fields.map(([name, { toJson }], index) => ({
  opening: `${index === 0 ? '{' : ','}"${name}":`,
  toJson,
}));

/** Writes the JSON of a user from its row, without parsing the values. */
export function toUserJson(row: UserRow): string {
  let json = '';
  let index = 0;
  for (const { opening, toJson } of members) json += opening + toJson(row[index++] ?? null);
  return `${json}}`;
}
