/** `npm run keys` and `npm run audit`: the built command line with the variables of `.env`, on the database of `npm start`. */
import { existsSync } from 'node:fs';
import { config } from 'dotenv';
import { embeddedDatabaseUrl } from './embedded-postgres.js';

const main = new URL('../dist/cli.js', import.meta.url);

config({ quiet: true });
if (!process.env.DATABASE_URL && !process.env.DATABASE_URL_FILE) {
  process.env.DATABASE_URL = embeddedDatabaseUrl() ?? '';
}
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('The command has not been built yet: run npm start or npm run build first.');
  process.exitCode = 1;
}
