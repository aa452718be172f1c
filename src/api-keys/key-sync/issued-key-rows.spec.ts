import { describe, expect, it } from 'vitest';
import { IssuedKeyReader } from './issued-key-rows.js';

const ROW = {
  id: 'k',
  digest: '',
  revision: '1',
  scopes: '',
  user_fields: null,
  write_fields: null,
  networks: null,
  rate_limit: null,
  budgets: null,
  revoked: false,
  expires_at: 0,
  rotated_at: null,
};

it.each(['10.1.2.3', 'localhost', '10.0.0.0/33'])(
  'a row with the invalid network %j is read without an error, but no address may use its key',
  (network) => {
    const { networks } = new IssuedKeyReader().read({ ...ROW, networks: network });
    expect(networks.contains('10.1.2.3')).toBe(false);
  },
);

describe('the budgets of a key', () => {
  const read = (budgets: unknown) =>
    new IssuedKeyReader().read({ ...ROW, rate_limit: 60, budgets }).principal.budgets;

  it("contain only the key's own budget if the row has none", () => {
    expect(read(null)).toEqual([{ keyId: 'k', rateLimit: 60 }]);
  });

  it('are the budgets in the row, in the same order', () => {
    const budgets = [{ keyId: 'first', rateLimit: 60 }, { keyId: 'issuer' }];
    expect(read(budgets)).toEqual(budgets);
  });

  it("contain only the key's own budget if the budgets in the row are invalid", () => {
    expect(read([{ keyId: 7 }])).toEqual([{ keyId: 'k', rateLimit: 60 }]);
  });

  it("contain the issuer's budget as one object that all keys of the issuer share", () => {
    const reader = new IssuedKeyReader();
    const [one, two] = ['one', 'two'].map((id) =>
      reader.read({ ...ROW, id, budgets: [{ keyId: id }, { keyId: 'issuer', rateLimit: 3 }] }),
    );
    expect(one?.principal.budgets[1]).toBe(two?.principal.budgets[1]);
  });
});
