import type { PrismaClient } from '../../src/generated/prisma/client.js';

// A single statement for all users would keep millions of pending foreign-key checks in memory.
const BATCH_SIZE = 100_000;

/**
 * Adds the users `1` … `count`, each with an account, except users whose id or email already
 * exists. Every run generates the same data. Returns the number of users added.
 */
export async function seedBulkUsers(prisma: PrismaClient, count: number): Promise<number> {
  let added = 0;
  for (let first = 1; first <= count; first += BATCH_SIZE) {
    added += await addUsers(prisma, first, Math.min(first + BATCH_SIZE - 1, count));
  }
  return added;
}

/** Phone numbers use exchange 555, which has no subscribers and 10,000 numbers per area code. */
function addUsers(prisma: PrismaClient, first: number, last: number): Promise<number> {
  return prisma.$executeRaw`
    WITH added AS (
      INSERT INTO users (id, email, name, phone, roles, permissions,
                         created_at, updated_at, last_login_at)
      SELECT n::text,
             'user' || n || '@example.com',
             (ARRAY['Ada', 'Bruno', 'Chloé', 'Deniz', 'Emeka', 'Freya', 'Goran'])[1 + n % 7]
               || ' ' ||
             (ARRAY['Andersson', 'Bianchi', 'Costa', 'Dubois', 'Evans', 'Fischer', 'García',
                    'Haddad', 'Ito', 'Jansen', 'Kovač'])[1 + n % 11],
             '+1' || (ARRAY[202, 205, 206, 207, 208, 209, 210, 212, 213, 214,
                            303, 305, 312, 313, 404, 415, 503, 512, 602, 617])
                     [1 + (n - 1) / 10000 % 20]
                  || '555' || lpad(((n - 1) % 10000)::text, 4, '0'),
             CASE WHEN n % 1000 = 0 THEN ARRAY['admin'] ELSE ARRAY['customer'] END,
             (ARRAY['read', 'transact', 'configure'])[1 : 1 + n % 3],
             created_at,
             created_at,
             CASE WHEN n % 10 <> 0 THEN created_at + n % 90 * interval '1 day' END
      FROM generate_series(${first}::int, ${last}::int) AS n,
           LATERAL (SELECT timestamptz '2024-01-01 00:00:00Z'
                           + n % 525600 * interval '1 minute' AS created_at) AS moment
      ON CONFLICT DO NOTHING
      RETURNING id, id::int AS n, created_at
    )
    INSERT INTO accounts (id, user_id, type, currency, balance, created_at, updated_at)
    SELECT 'account-' || id, id,
           (ARRAY['checking', 'savings', 'credit'])[1 + n % 3]::account_type,
           (ARRAY['USD', 'EUR', 'GBP'])[1 + n % 3],
           n % 100000 / 4.0,
           created_at, created_at
    FROM added`;
}
