import { readFileSync } from 'node:fs';

/** `DATABASE_URL`, or what the file has that `DATABASE_URL_FILE` names; empty if neither is set. */
export function readDatabaseUrl() {
  const file = process.env.DATABASE_URL_FILE;
  return file ? readFileSync(file, 'utf8').trim() : (process.env.DATABASE_URL ?? '');
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
  process.env.PGPASSWORD = decodeURIComponent(address.password);
  address.password = '';
  return address.href;
}
