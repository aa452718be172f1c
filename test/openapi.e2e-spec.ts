import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKeySchema } from '../src/api-keys/api-key.schemas.js';
import { startApp } from './support/app.js';

const DATABASE_URL = 'postgresql://nobody@127.0.0.1:1/none';

interface Body {
  readonly content?: { readonly 'application/json'?: object };
}
interface Operation {
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
}

describe('the OpenAPI document', () => {
  let url: string;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const app = await startApp({ DATABASE_URL });
    url = await app.getUrl();
    stop = () => app.close();
  });
  afterAll(() => stop());

  // `npm run openapi` updates the file.
  it('equals the committed openapi.json', async () => {
    const { body } = await request(url).get('/api/openapi.json').expect(200);
    await expect(`${JSON.stringify(body, null, 2)}\n`).toMatchFileSnapshot('../openapi.json');
  });

  it('has a description and examples for each operation', async () => {
    const { paths } = (await request(url).get('/api/openapi.json')).body;
    const operations: Operation[] = Object.values<object>(paths).flatMap(Object.values);
    expect(operations.length).toBeGreaterThan(15);
    for (const operation of operations) {
      expect(operation).toMatchObject({
        summary: expect.any(String),
        description: expect.any(String),
      });
      const parts = [operation.requestBody, ...Object.values(operation.responses)];
      const bodies = parts.flatMap((part) => part?.content?.['application/json'] ?? []);
      expect(bodies.filter((body) => !('example' in body))).toEqual([]);
    }
  });

  it('has no pattern that needs the RegExp flag u, and no schema with both a pattern and a format', async () => {
    const { text } = await request(url).get('/api/openapi.json');
    expect(text).not.toContain('\\\\p{');
    expect(text).not.toMatch(/"format":"[^"]+"[^{}]*"pattern"|"pattern":"[^{}]*"format"/);
  });

  it('declares ids as a list in one parameter, and the body of a revocation as optional', async () => {
    const { paths } = (await request(url).get('/api/openapi.json')).body;
    expect(paths['/api/internal/users'].get.parameters).toContainEqual(
      expect.objectContaining({ name: 'ids', style: 'form', explode: false }),
    );
    const { post } = paths['/api/internal/api-keys/{id}/revoke'];
    expect(post.requestBody.required).toBe(false);
  });

  it('states the patterns of the headers for creating a key, and that the note must not be empty', async () => {
    const { paths, components } = (await request(url).get('/api/openapi.json')).body;
    const { parameters } = paths['/api/internal/api-keys'].post;
    expect(parameters.map(({ schema }: { schema: object }) => schema)).toEqual([
      { type: 'string', pattern: '^[A-Za-z0-9_.@+-]{1,64}$' },
      { type: 'string', pattern: String.raw`^[\x21-\x7e]{1,255}$` },
    ]);
    expect(components.schemas.CreateApiKey.properties.note.minLength).toBe(1);
  });

  it('has a valid example of the request that creates a key', async () => {
    const { paths } = (await request(url).get('/api/openapi.json')).body;
    const { content } = paths['/api/internal/api-keys'].post.requestBody;
    const { success } = createApiKeySchema.safeParse(content['application/json'].example);
    expect(success).toBe(true);
  });

  it('is shown by a page whose content security policy permits its scripts', async () => {
    const page = await request(url).get('/api/docs').expect(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'self';/);
    const scripts = [...page.text.matchAll(/<script src="([^"]+)"/g)].map(([, source]) =>
      String(source),
    );
    expect(scripts.length).toBeGreaterThan(1);
    for (const script of scripts)
      await request(url)
        .get(new URL(script, `${url}/api/docs`).pathname)
        .expect(200);
  });
});

describe('in production', () => {
  it('neither the OpenAPI document nor the page that shows it is served', async () => {
    const app = await startApp({ DATABASE_URL, NODE_ENV: 'production' });
    const url = await app.getUrl();
    await request(url).get('/api/openapi.json').expect(404);
    await request(url).get('/api/docs').expect(404);
    await app.close();
  });
});
