import { readFileSync } from 'node:fs';

/** `DATABASE_URL`, or what the file has that `DATABASE_URL_FILE` names; empty if neither is set. */
export function readDatabaseUrl() {
  const { DATABASE_URL: url = '', DATABASE_URL_FILE: file = '' } = process.env;
  // One of them might be that of another database.
  if (url !== '' && file !== '')
    throw new Error('DATABASE_URL_FILE: set it or DATABASE_URL, not both');
  return file === '' ? url : readFileSync(file, 'utf8').trim();
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
