import type { User } from './backend-schemas.generated.js';

/** Stands in for a user while the backend is unavailable: no personal data, permission to read. */
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
