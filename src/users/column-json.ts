/** The text of a column as PostgreSQL writes it; null for NULL. */
type ColumnText = string | null;

// These functions avoid parsing arrays and times, which would take most of the time of a look-up.
// They escape each result, because `users` may be a view: then no constraint restricts the text.

/** Converts a text or NULL to JSON. */
export function textToJson(text: ColumnText): string {
  return JSON.stringify(text);
}

/** Converts a `timestamptz`, such as `2025-01-01 00:00:00.5+00`, to JSON. Requires UTC (`+00`). */
export function timeToJson(time: ColumnText): string {
  if (time === null) return 'null';
  const fraction = time.slice('2025-01-01 00:00:00.'.length, -'+00'.length);
  return JSON.stringify(`${time.slice(0, 10)}T${time.slice(11, 19)}.${fraction.padEnd(3, '0')}Z`);
}

const PLAIN_ARRAY = /^\{[a-z0-9:_,-]*\}$/;
// Most users share a few role sets. A cached result takes a fifth of the time of a conversion.
const MAX_KNOWN_ARRAYS = 1000;
const knownArrays = new Map<string, string>();

/**
 * Converts a `text[]`, such as `{read,transact}`, to JSON. NULL, which the backend never writes,
 * becomes `[]`.
 */
export function arrayToJson(array: ColumnText): string {
  if (array === null) return '[]';
  const known = knownArrays.get(array);
  if (known !== undefined) return known;
  if (knownArrays.size >= MAX_KNOWN_ARRAYS) knownArrays.clear();
  const json = parseAsJson(array);
  knownArrays.set(array, json);
  return json;
}

function parseAsJson(array: string): string {
  if (array === '{}') return '[]';
  if (PLAIN_ARRAY.test(array)) return `["${array.slice(1, -1).replaceAll(',', '","')}"]`;
  const elements = array.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^",]+/gs);
  return JSON.stringify(
    Array.from(elements, ([plain, quoted]) => quoted?.replaceAll(/\\(.)/gs, '$1') ?? plain),
  );
}
