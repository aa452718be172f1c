import createClient from 'openapi-fetch';
import type { paths } from './schema.js';

// Reads, creates, changes and deletes a user with the types of openapi-typescript.

const { URL: baseUrl = '', API_KEY = '' } = process.env;
const client = createClient<paths>({ baseUrl, headers: { 'X-API-Key': API_KEY } });
const USERS = '/api/internal/users';
const USER = '/api/internal/users/{id}';

const read = await client.GET(USER, { params: { path: { id: '12345' } } });
const created = await client.POST(USERS, { body: { email: 'grace@example.com', name: 'Grace' } });
const params = { path: { id: created.data?.user.id ?? '' } };
const changed = await client.PATCH(USER, { params, body: { name: 'Grace Hopper' } });
await client.DELETE(USER, { params });
const { error } = await client.GET(USER, { params });

const users = [read.data?.user.email, created.data?.user.name, changed.data?.user.name];
console.log(JSON.stringify([...users, error?.code]));
