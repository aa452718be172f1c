import { getMigrations } from 'better-auth/db/migration';
import { auth, pool } from './auth.js';

await pool.query('CREATE SCHEMA better_auth');
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { name: 'Bench', email: 'bench@example.com', password: 'correct horse battery staple' },
});
const { key } = await auth.api.createApiKey({ body: { name: 'bench', userId: user.id } });
await pool.end();
console.log(key);
