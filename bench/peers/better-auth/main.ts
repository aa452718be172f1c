import Fastify from 'fastify';
import { settings } from '../settings.js';
import { USER_COLUMNS, type UserRow, userResponseSchema } from '../user-response.js';
import { auth, pool } from './auth.js';

const app = Fastify();

app.addHook('onRequest', async (request, reply) => {
  const key = request.headers['x-api-key'];
  if (typeof key === 'string') {
    const { valid } = await auth.api.verifyApiKey({ body: { key } });
    if (valid) return undefined;
  }
  return reply.code(401).send({ error: 'Invalid or missing API key' });
});

app.get<{ Params: { id: string } }>(
  '/api/internal/users/:id',
  { schema: { response: { 200: userResponseSchema } } },
  async (request, reply) => {
    const { rows } = await pool.query<UserRow>({
      name: 'find-user',
      text: `SELECT ${USER_COLUMNS} FROM public.users WHERE id = $1`,
      values: [request.params.id],
    });
    const [user] = rows;
    return user === undefined ? reply.code(404).send({ error: 'User not found' }) : { user };
  },
);

await app.listen(settings);
