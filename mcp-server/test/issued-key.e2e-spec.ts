import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MCP_SERVER_GRANT } from '../../scripts/start/mcp-server-key.js';
import { withKey } from '../../test/support/app.js';
import { issueKey } from '../../test/support/keys.js';
import { addUser } from '../../test/support/users.js';
import { connect, sentence } from './support/clients.js';
import { API_KEY, startMcp } from './support/servers.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

const GREETING = 'Hello Ada! Your checking balance is $5.00.';

const stack = useStack();

it('the key that `npm start` issues suffices for all tools, and its rotation needs no restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-issued-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const INTERNAL_API_KEY_FILE = join(folder, 'key');
  const url = stack.backend.origin;
  const key = await issueKey(url, { name: 'mcp-server', ...MCP_SERVER_GRANT }, API_KEY);
  writeFileSync(INTERNAL_API_KEY_FILE, key.secret);
  const mcp = await startMcp({
    BACKEND_API_URL: url,
    BACKEND_FALLBACK: 'off',
    INTERNAL_API_KEY: '',
    INTERNAL_API_KEY_FILE,
  });
  onTestFinished(() => mcp.stop());
  const accounts = { create: { type: 'checking', currency: 'USD', balance: '5' } } as const;
  const permissions = ['read', 'configure'];
  const { id } = await addUser(stack.prisma, { name: 'Ada', permissions, accounts });
  const client = await connect(mcp.url, await token(id));
  const changed = await client.callTool('update_phone', { phone: '+442079460958' });
  expect(changed.isError).toBeUndefined();
  const profile = await client.callTool('get_profile');
  expect(profile.structuredContent).toMatchObject({ phone: '+442079460958', permissions });

  const root = withKey(url, API_KEY);
  const path = `/api/internal/api-keys/${key.id}`;
  const rotated = await root.post(`${path}/rotate`).expect(201);
  expect(sentence(await client.callTool('get_balance'))).toBe(GREETING);
  const warnings = () => mcp.output.match(/The key for the backend was replaced on/g);
  await expect.poll(warnings).toHaveLength(1);

  writeFileSync(INTERNAL_API_KEY_FILE, rotated.body.secret);
  expect(sentence(await client.callTool('get_balance'))).toBe(GREETING);
  await root.post(`${path}/revoke`).expect(200);
  expect(sentence(await client.callTool('get_balance'))).toBe(GREETING);
  await client.close();
  await mcp.stop();
  expect(warnings()).toHaveLength(1);
  expect(mcp.output).not.toContain(rotated.body.secret);
});
