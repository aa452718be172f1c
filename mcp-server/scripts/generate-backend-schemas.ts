import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { renderSchemas } from './openapi-to-zod.js';

const DOCUMENT = new URL('../../openapi.json', import.meta.url);
const TARGET = new URL('../src/backend/backend-schemas.generated.ts', import.meta.url);

/** Writes the schemas of the backend's answers, from its OpenAPI document. */
const source = renderSchemas(JSON.parse(await readFile(DOCUMENT, 'utf8')));
const style = await resolveConfig(TARGET);
await writeFile(TARGET, await format(source, { ...style, parser: 'typescript' }));
