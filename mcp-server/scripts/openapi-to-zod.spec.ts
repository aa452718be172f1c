import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { renderSchemas } from './openapi-to-zod.js';

const DOCUMENT = new URL('../../openapi.json', import.meta.url);
const GENERATED = fileURLToPath(
  new URL('../src/backend/backend-schemas.generated.ts', import.meta.url),
);

async function readDocument() {
  return JSON.parse(await readFile(DOCUMENT, 'utf8'));
}

describe('renderSchemas', () => {
  // `npm run generate` updates the committed file.
  it('renders the committed schemas from the current OpenAPI document', async () => {
    const style = await resolveConfig(GENERATED);
    const source = await format(renderSchemas(await readDocument()), {
      ...style,
      parser: 'typescript',
    });
    await expect(source).toMatchFileSnapshot(GENERATED);
  });

  it('rejects an unknown JSON Schema keyword', async () => {
    const document = await readDocument();
    document.components.schemas.User.properties.email.minLength = 3;
    expect(() => renderSchemas(document)).toThrow(/minLength/);
  });

  it('rejects an unknown JSON Schema type', async () => {
    const document = await readDocument();
    document.components.schemas.Account.properties.balance.type = 'number';
    expect(() => renderSchemas(document)).toThrow('Unknown type: number');
  });
});
