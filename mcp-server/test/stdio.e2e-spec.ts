import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioClientTransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { addUser } from '../../test/support/users.js';
import { useStack } from './support/stack.js';
import { AUDIENCE, JWT_SECRET, token } from './support/tokens.js';
import { API_KEY } from './support/servers.js';

const BIN = fileURLToPath(new URL('../bin/latchkey-mcp.js', import.meta.url));
const INFO = { name: 'latchkey-tests', version: '1' };
const GREETING = 'Hello Ada! Your checking balance is $5.00.';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: INFO },
};

const stack = useStack();

let userId: string;
beforeAll(async () => {
  const accounts = { create: { type: 'checking', currency: 'USD', balance: '5' } } as const;
  ({ id: userId } = await addUser(stack.prisma, { name: 'Ada', permissions: ['read'], accounts }));
});

async function server(variables: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH ?? '',
    BACKEND_API_URL: stack.backend.origin,
    INTERNAL_API_KEY: API_KEY,
    JWT_SECRET,
    MCP_PUBLIC_URL: AUDIENCE,
    MCP_ACCESS_TOKEN: await token(userId),
    ...variables,
  };
  const stderr = 'ignore' as const;
  return { command: process.execPath, args: [BIN], env, stderr };
}

/** Runs the program with this input; returns its exit code and output. */
async function run(variables: Record<string, string>, input: string) {
  const { command, args, env } = await server(variables);
  const child = spawn(command, args, { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined).end(input);
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

describe('latchkey-mcp over stdio', () => {
  it.each(['auto', 'legacy', { pin: '2026-07-28' }] as const)(
    'serves the v2 client in mode %j',
    async (mode) => {
      const client = new Client(INFO, { versionNegotiation: { mode } });
      await client.connect(new StdioClientTransport(await server()));
      const { content } = await client.callTool({ name: 'get_balance', arguments: {} });
      expect(content).toContainEqual({ type: 'text', text: GREETING });
      await client.close();
    },
  );

  it('serves the v1 client', async () => {
    const client = new ClientV1(INFO);
    await client.connect(new StdioClientTransportV1(await server()));
    const { content } = await client.callTool({ name: 'get_balance', arguments: {} });
    expect(content).toContainEqual({ type: 'text', text: GREETING });
    await client.close();
  });

  it('shuts down gracefully at SIGTERM', async () => {
    const { command, args, env } = await server();
    const child = spawn(command, args, { env });
    child.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
    await once(child.stdout, 'data');
    child.kill();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('writes only protocol messages to stdout, and exits at the end of stdin', async () => {
    const { stdout, stderr } = await run({}, `${JSON.stringify(INITIALIZE)}\n`);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ jsonrpc: '2.0', id: 1 }),
    ]);
    expect(stderr).toContain('"level":"info"');
  });

  it.each([
    ['is missing', { MCP_ACCESS_TOKEN: '' }],
    ['is garbage', { MCP_ACCESS_TOKEN: 'canary-token' }],
  ])('refuses to start if the token %s, and leaves stdout empty', async (_fault, variables) => {
    const { code, stdout, stderr } = await run(variables, '');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('The access token is not a signed JWT');
    expect(stderr).not.toContain('canary-token');
  });
});
