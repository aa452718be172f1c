import { readFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { renderSchemas } from './openapi-to-zod.js';

const DOCUMENT = new URL('../../openapi.json', import.meta.url);
const GENERATED = new URL('../src/backend/backend-schemas.generated.ts', import.meta.url);

async function readDocument() {
  return JSON.parse(await readFile(DOCUMENT, 'utf8'));
}

describe('renderSchemas', () => {
  it('has made the schemas in use from the OpenAPI document as it is now', async () => {
    const style = await resolveConfig(GENERATED);
    const source = renderSchemas(await readDocument());
    expect(await format(source, { ...style, parser: 'typescript' })).toBe(
      await readFile(GENERATED, 'utf8'),
    );
  });

  it('fails at a keyword that it does not know', async () => {
    const document = await readDocument();
    document.components.schemas.User.properties.email.minLength = 3;
    expect(() => renderSchemas(document)).toThrow(/minLength/);
  });

  it('fails at a type that it does not know', async () => {
    const document = await readDocument();
    document.components.schemas.Account.properties.balance.type = 'number';
    expect(() => renderSchemas(document)).toThrow('Unknown type: number');
  });
});
