import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ServerProcess } from '../../test/support/server-process.js';
import { type ToolResult, callTool } from './support/clients.js';
import { startMcp } from './support/servers.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

type Reviver = (key: string, value: unknown) => unknown;

const PHONE = '+12025550147';
const addressSchema = z.object({ port: z.number() });

const unchanged: Reviver = (_key, value) => value;
/** Adds a property to every object of a response, as a newer backend may do. */
const asNewer: Reviver = (_key, value) =>
  z.record(z.string(), z.unknown()).safeParse(value).success
    ? Object.assign({}, value, { addedLater: { by: 'a newer release' } })
    : value;
/** Omits two fields of users, as an older backend may do. */
const asOlder: Reviver = (key, value) =>
  key === 'createdAt' || key === 'lastLoginAt' ? undefined : value;

const stack = useStack();
let edit = unchanged;
let omittedHeader: string | undefined;
let proxy: Server;
let mcp: ServerProcess;

/**
 * Forwards a request to the real backend and returns the response. Changes the headers and the
 * response as if the MCP server or the backend were a newer or older release.
 */
async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { 'x-api-key': key = '', 'x-acting-user': actingUser = '' } = request.headers;
  const headers = new Headers({ 'X-API-Key': String(key), 'X-Acting-User': String(actingUser) });
  if (omittedHeader === undefined) headers.set('X-Added-Later', 'by a newer release');
  else headers.delete(omittedHeader);
  const method = request.method ?? '';
  const body = method === 'PATCH' ? await text(request) : null;
  if (body !== null) headers.set('Content-Type', 'application/json');
  const answer = await fetch(new URL(request.url ?? '', stack.backend.origin), {
    method,
    headers,
    body,
  });
  response.writeHead(answer.status, { 'Content-Type': answer.headers.get('Content-Type') ?? '' });
  response.end(JSON.stringify(JSON.parse(await answer.text(), edit)));
}

beforeAll(async () => {
  await stack.prisma.user.create({
    data: {
      id: '12345',
      email: 'user@example.com',
      name: 'John Doe',
      permissions: ['read', 'transact', 'configure'],
      accounts: { create: { id: 'a1', type: 'checking', currency: 'USD', balance: '2543.75' } },
    },
  });
  proxy = createServer((request, response) => void forward(request, response));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = addressSchema.parse(proxy.address());
  const BACKEND_API_URL = `http://127.0.0.1:${port}`;
  mcp = await startMcp({ BACKEND_API_URL, BACKEND_FALLBACK: 'off' });
});
afterAll(async () => {
  await mcp.stop();
  proxy.close();
});

async function call(tool: string, args?: Record<string, unknown>): Promise<ToolResult> {
  return callTool(mcp.url, await token('12345'), tool, args);
}

describe('during a rolling update', () => {
  it('an MCP server uses a newer backend, whose responses have more fields', async () => {
    edit = asNewer;
    const profile = await call('get_profile');
    expect(profile.structuredContent).toMatchObject({ email: 'user@example.com' });
    expect(JSON.stringify(profile)).not.toContain('addedLater');
    expect((await call('get_balance')).structuredContent).toMatchObject({ source: 'backend' });
    const updated = await call('update_phone', { phone: PHONE });
    expect(updated.structuredContent).toEqual({ phone: PHONE });
  });

  it('an MCP server uses an older backend, whose responses have fewer fields', async () => {
    edit = asOlder;
    expect((await call('get_balance')).structuredContent).toMatchObject({ source: 'backend' });
    const updated = await call('update_phone', { phone: PHONE });
    expect(updated.structuredContent).toEqual({ phone: PHONE });
  });

  it('a tool that needs a missing field fails, and the log names the field', async () => {
    edit = asOlder;
    expect((await call('get_profile')).isError).toBe(true);
    await expect.poll(() => mcp.output).toContain('"fields":["createdAt","lastLoginAt"]');
  });

  it.each([
    ['newer MCP server, which sends an additional header', undefined],
    ['older MCP server, which does not name the acting user', 'X-Acting-User'],
  ])('a backend serves a %s', async (_case, header) => {
    edit = unchanged;
    omittedHeader = header;
    const updated = await call('update_phone', { phone: PHONE });
    expect(updated.structuredContent).toEqual({ phone: PHONE });
  });
});
