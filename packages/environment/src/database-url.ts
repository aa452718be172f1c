import { readFileSync } from 'node:fs';
import { unescape } from 'node:querystring';

/** Returns the value of a variable, or the content of the file that `<name>_FILE` names, or ''. */
export function readDatabaseUrl(name = 'DATABASE_URL'): string {
  const { [name]: url = '', [`${name}_FILE`]: file = '' } = process.env;
  // The variable and the file might name different databases.
  if (url !== '' && file !== '') throw new Error(`Set ${name} or ${name}_FILE, not both.`);
  return file === '' ? url : readFileSync(file, 'utf8').trim();
}

/** Returns the URL for migrations, which cannot run through a transaction pooler. */
export function readMigrationUrl(): string {
  return readDatabaseUrl('DIRECT_URL') || readDatabaseUrl();
}

/**
 * Moves the password of a URL into `PGPASSWORD`: Prisma passes the URL as a process argument, which
 * other users of the machine can see.
 */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url;
  const address = new URL(url);
  if (address.password === '') return url;
  // Like the driver, `unescape` accepts a `%` that is not percent-encoded.
  process.env.PGPASSWORD = unescape(address.password);
  address.password = '';
  return address.href;
}

/** Returns the value of Prisma's `?schema=`; undefined means the role's default schema. */
export function schemaOf(url: string): string | undefined {
  return (URL.canParse(url) && new URL(url).searchParams.get('schema')) || undefined;
}

/** Adds Prisma's `?schema=` to the URL as `search_path`, which every client understands. */
export function withSearchPath(url: string): string {
  const schema = schemaOf(url);
  if (schema === undefined) return url;
  const address = new URL(url);
  const identifier = `"${schema.replaceAll('"', '""')}"`.replace(/[ \\]/g, '\\$&');
  const options = `${address.searchParams.get('options') ?? ''} -c search_path=${identifier}`;
  address.searchParams.set('options', options.trim());
  return address.href;
}
