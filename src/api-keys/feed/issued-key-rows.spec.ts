import { expect, it } from 'vitest';
import { isWithin } from '../network.js';
import { IssuedKeyReader } from './issued-key-rows.js';

const ROW = {
  id: 'k',
  digest: '',
  revision: '1',
  scopes: [],
  user_fields: null,
  rate_limit: null,
  revoked: false,
  expires_at: 0,
  rotated_at: null,
};

it.each(['10.1.2.3', 'localhost', '10.0.0.0/33'])(
  'a network that cannot be read, such as %j, admits nobody and keeps no other key from being read',
  (network) => {
    const { networks } = new IssuedKeyReader().read({ ...ROW, networks: [network] });
    expect(networks && isWithin(networks, '10.1.2.3')).toBe(false);
  },
);
