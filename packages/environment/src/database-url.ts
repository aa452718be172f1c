import { readFileSync } from 'node:fs';

/** Reads a variable, or the file that `<name>_FILE` names; empty if neither is set. */
export function readDatabaseUrl(name = 'DATABASE_URL'): string {
  const { [name]: url = '', [`${name}_FILE`]: file = '' } = process.env;
  // One of them might be that of another database.
  if (url !== '' && file !== '') throw new Error(`${name}_FILE: set it or ${name}, not both`);
  return file === '' ? url : readFileSync(file, 'utf8').trim();
}

/** The URL for migrations, which need a session of their own: a transaction pooler gives none. */
export function readMigrationUrl(): string {
  return readDatabaseUrl('DIRECT_URL') || readDatabaseUrl();
}

/**
 * The URL for Prisma, which passes it to its engine as an argument that other users of the machine can see. The
 * password goes into `PGPASSWORD`.
 */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url;
  const address = new URL(url);
  if (address.password === '') return url;
  process.env.PGPASSWORD = decoded(address.password);
  address.password = '';
  return address.href;
}

/** Prisma's `?schema=`, or undefined for the default schema of the account. */
export function schemaOf(url: string): string | undefined {
  return (URL.canParse(url) && new URL(url).searchParams.get('schema')) || undefined;
}

/** Makes `?schema=` count for every client: PostgreSQL's own name for it is `search_path`. */
export function withSearchPath(url: string): string {
  const schema = schemaOf(url);
  if (schema === undefined) return url;
  const address = new URL(url);
  const identifier = `"${schema.replaceAll('"', '""')}"`.replace(/[ \\]/g, '\\$&');
  const options = `${address.searchParams.get('options') ?? ''} -c search_path=${identifier}`;
  address.searchParams.set('options', options.trim());
  return address.href;
}

// The driver accepts a `%` that begins no code, too.
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
