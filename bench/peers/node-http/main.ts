import { createServer } from 'node:http';

const BODY = JSON.stringify({
  user: {
    id: '12345',
    email: 'user12345@example.com',
    name: 'Deniz Evans',
    phone: '+12055552344',
    roles: ['customer'],
    permissions: ['read', 'transact', 'configure'],
    createdAt: '2024-01-09T13:45:00.000Z',
    lastLoginAt: '2024-01-24T13:45:00.000Z',
  },
});
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'content-length': Buffer.byteLength(BODY),
};

createServer((_request, response) => response.writeHead(200, HEADERS).end(BODY)).listen(
  Number(process.env.PORT),
  '127.0.0.1',
);
