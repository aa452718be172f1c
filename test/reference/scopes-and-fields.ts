import type { z } from 'zod';
import { type Scope, SCOPES } from '../../src/api-keys/scopes.js';
import { fieldsWith, USER_FIELD_TABLE } from '../../src/users/user-fields.js';
import { readOperations } from './http-api.js';
import { readSchema, valuesOf } from './json-schema.js';
import { block, code, page, table } from './markdown.js';

const SCOPE_MEANINGS: Readonly<Record<Scope, string>> = {
  'users:read': 'Get, list and search users.',
  'users:write': 'Create, update and delete users.',
  'users:grant': 'Set `roles` and `permissions` of users. The key also needs `users:write`.',
  'accounts:read': 'Read the accounts of users.',
  'keys:read': 'Read issued keys, root keys and their usage.',
  'keys:write': "Issue and rotate keys within the caller's own rights, and revoke any issued key.",
  'audit:read': 'Read and verify the audit trail.',
};

export async function scopesAndFieldsPage(): Promise<string> {
  const operations = await readOperations();
  const scopeRows = SCOPES.map((scope) => {
    const ofScope = operations.filter(({ operation }) => operation['x-required-scope'] === scope);
    const names = ofScope.map(({ method, path }) => code(`${method.toUpperCase()} ${path}`));
    return [code(scope), SCOPE_MEANINGS[scope], names.join(', ')];
  });
  const creatable = new Map(Object.entries<z.ZodType>(fieldsWith('create')));
  const updatable = new Set(Object.keys(fieldsWith('update')));
  const granted = new Set(Object.keys(fieldsWith('scope')));
  const fields = Object.entries(USER_FIELD_TABLE).map(([name, { response, example }]) => {
    const schema = creatable.get(name);
    const isOptional = schema?.safeParse(undefined).success === true;
    const onCreate = schema === undefined ? 'no' : isOptional ? 'optional' : 'required';
    const isWritable = schema !== undefined || updatable.has(name);
    const scopes = [
      ...(isWritable ? ['users:write'] : []),
      ...(granted.has(name) ? ['users:grant'] : []),
    ];
    return [
      code(name),
      valuesOf(readSchema(response)),
      onCreate,
      updatable.has(name) ? 'yes' : 'no',
      scopes.map(code).join(', '),
      code(JSON.stringify(example)),
    ];
  });
  return page(
    '# Scopes and fields of users',
    'An issued key has one or more scopes, and may be restricted to some fields of users. A root key has all scopes, and may read and write all fields.',
    block('sh', 'latchkey keys create --name mailer --scopes users:read --read-fields name,email'),
    '## Scopes',
    'Each operation requires the scope in its row. If the key lacks this scope, the response is 403 [`INSUFFICIENT_SCOPE`](errors.md#insufficient-scope).',
    table(['scope', 'permits', 'operations'], scopeRows),
    '`GET /api/internal/users` and `GET /api/internal/users/{id}` also require `accounts:read` if the request has `include=accounts`.',
    '## Fields of users',
    table(['field', 'values', 'in `POST`', 'in `PATCH`', 'scopes to write', 'example'], fields),
    'If a key has `readFields`, responses contain only the `id` and these fields. If a key has `writeFields`, it can write only these fields, and cannot delete users. A request that writes another field, or searches by a field that the key may not read, gets 403 [`FIELD_NOT_ALLOWED`](errors.md#field-not-allowed).',
  );
}
