// Runs a built command for `npm run keys`, `npm run audit` and `npm run token`.
import { existsSync } from 'node:fs';

const [path = ''] = process.argv.splice(2, 1);
const main = new URL(`../${path}`, import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('The command has not been built yet: run npm start or npm run build first.');
  process.exitCode = 1;
}
