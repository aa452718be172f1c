import { API_KEY, withKey } from './app.js';

export interface IssuedTestKey {
  readonly id: string;
  readonly secret: string;
}

/**
 * Issues a key through the API. By default, the key can read users, and a root key issues it.
 */
export async function issueKey(
  url: string,
  fields: Record<string, unknown> = {},
  caller = API_KEY,
): Promise<IssuedTestKey> {
  const { body } = await withKey(url, caller)
    .post('/api/internal/api-keys')
    .send({ name: 'test', scopes: ['users:read'], ...fields })
    .expect(201);
  return { id: body.apiKey.id, secret: body.secret };
}

/** The status of a request for an absent user: 404 if the key is admitted. */
export async function statusWith(url: string, secret: string): Promise<number> {
  const { status } = await withKey(url, secret).get('/api/internal/users/nobody');
  return status;
}

export const ADMITTED = 404;
export const REFUSED = 401;
