import { readFileSync } from 'node:fs';
import { unescape } from 'node:querystring';

/** Reads a variable, or the file that `<name>_FILE` names; empty if neither is set. */
export function readDatabaseUrl(name = 'DATABASE_URL'): string {
  const { [name]: url = '', [`${name}_FILE`]: file = '' } = process.env;
  // They might name different databases.
  if (url !== '' && file !== '') throw new Error(`${name}_FILE: set it or ${name}, not both`);
  return file === '' ? url : readFileSync(file, 'utf8').trim();
}

/** Returns the URL for migrations, which need a session that a transaction pooler does not give. */
export function readMigrationUrl(): string {
  return readDatabaseUrl('DIRECT_URL') || readDatabaseUrl();
}

/**
 * Returns the URL for Prisma, which passes it as a process argument that other users can see. The
 * password goes into `PGPASSWORD`.
 */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url;
  const address = new URL(url);
  if (address.password === '') return url;
  // As the driver does, it accepts a `%` that begins no escape.
  process.env.PGPASSWORD = unescape(address.password);
  address.password = '';
  return address.href;
}

/** Returns Prisma's `?schema=`, or undefined for the account's default schema. */
export function schemaOf(url: string): string | undefined {
  return (URL.canParse(url) && new URL(url).searchParams.get('schema')) || undefined;
}

/** Converts `?schema=` into `search_path`, which every client understands. */
export function withSearchPath(url: string): string {
  const schema = schemaOf(url);
  if (schema === undefined) return url;
  const address = new URL(url);
  const identifier = `"${schema.replaceAll('"', '""')}"`.replace(/[ \\]/g, '\\$&');
  const options = `${address.searchParams.get('options') ?? ''} -c search_path=${identifier}`;
  address.searchParams.set('options', options.trim());
  return address.href;
}
