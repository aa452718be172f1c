import { readFileSync } from 'node:fs';

/**
 * What a variable has, or the file that the variable with `_FILE` names; empty if neither is set.
 * @param {string} name
 */
export function readDatabaseUrl(name = 'DATABASE_URL') {
  const { [name]: url = '', [`${name}_FILE`]: file = '' } = process.env;
  // One of them might be that of another database.
  if (url !== '' && file !== '') throw new Error(`${name}_FILE: set it or ${name}, not both`);
  return file === '' ? url : readFileSync(file, 'utf8').trim();
}

/** The URL for migrations, which need a session of their own: a transaction pooler gives none. */
export function readMigrationUrl() {
  return readDatabaseUrl('DIRECT_URL') || readDatabaseUrl();
}

/**
 * The URL for Prisma, which hands it to its engine as an argument that everybody on the machine can see. The password goes there as
 * `PGPASSWORD`.
 * @param {string} url
 */
export function withoutPassword(url) {
  if (!URL.canParse(url)) return url;
  const address = new URL(url);
  if (address.password === '') return url;
  process.env.PGPASSWORD = decoded(address.password);
  address.password = '';
  return address.href;
}

// The driver takes a `%` that begins no code, too.
/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
