import type { User } from './backend-schemas.generated.js';

/** Who an unavailable backend's user is taken for: nobody in particular, who may read and change nothing. */
export function createFallbackUser(id: string): User {
  return {
    id,
    email: 'customer@example.com',
    name: 'Customer',
    phone: null,
    roles: [],
    permissions: ['read'],
    createdAt: '1970-01-01T00:00:00.000Z',
    lastLoginAt: null,
  };
}
