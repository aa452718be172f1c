import { expect, it } from 'vitest';
import type { Principal } from '../api-keys/principal.js';
import { visiblePageJson } from './field-access.js';

const CALLER: Principal = {
  keyId: 'root_1a2b3c4d',
  isRoot: true,
  scopes: [],
  readFields: undefined,
  writeFields: undefined,
  budgets: [],
};

it('visiblePageJson returns an empty account list for a user that is not in `accounts`', () => {
  const page = { users: [{ id: 'ada', json: '{"id":"ada"}' }], nextCursor: null };
  expect(JSON.parse(visiblePageJson(CALLER, page, new Map()))).toEqual({
    users: [{ id: 'ada' }],
    nextCursor: null,
    accounts: { ada: [] },
  });
});
