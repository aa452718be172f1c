import { readFile, readdir } from 'node:fs/promises';

const FOLDER = new URL('../prisma/migrations/', import.meta.url);

/** Reads the names and SQL of all migrations, in the order in which they are applied. */
export async function readMigrations() {
  const entries = await readdir(FOLDER, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.toSorted().map(async (name) => ({
      name,
      sql: await readFile(new URL(`${name}/migration.sql`, FOLDER), 'utf8'),
    })),
  );
}
