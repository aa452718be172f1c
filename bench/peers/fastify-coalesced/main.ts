import Fastify from 'fastify';
import { apiKeyMatcher } from '../api-key.js';
import { settings } from '../settings.js';
import { userResponseSchema } from '../user-response.js';
import { CoalescedUsers } from './coalesced-users.js';

const isGoodKey = apiKeyMatcher(settings.apiKey);
const users = new CoalescedUsers(settings.database);
const app = Fastify();

app.addHook('onRequest', (request, reply, done) => {
  if (isGoodKey(request.headers['x-api-key'])) done();
  else void reply.code(401).send({ error: 'Invalid or missing API key' });
});

app.get<{ Params: { id: string } }>(
  '/api/internal/users/:id',
  { schema: { response: { 200: userResponseSchema } } },
  async (request, reply) => {
    const user = await users.find(request.params.id);
    return user === undefined ? reply.code(404).send({ error: 'User not found' }) : { user };
  },
);

await app.listen(settings);
