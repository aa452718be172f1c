import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricsOf } from '../../test/support/metrics-stack.js';
import { Scrape } from '../../test/support/metrics.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { callTool } from './support/clients.js';
import { FakeBackend, healthy, respond } from './support/fake-backend.js';
import { startMcp } from './support/servers.js';
import { token } from './support/tokens.js';

describe('the metrics of the MCP server', () => {
  let backend: FakeBackend;
  let mcp: ServerProcess;
  beforeAll(async () => {
    backend = await FakeBackend.start();
    mcp = await startMcp({
      BACKEND_API_URL: backend.url,
      BACKEND_FALLBACK: 'off',
      MCP_METRICS_PORT: '0',
    });
  });
  afterAll(async () => {
    await mcp.stop();
    await backend.stop();
  });

  const scrape = () => Scrape.of(metricsOf(mcp));
  const value = async (name: string, labels?: Record<string, string>) =>
    (await scrape()).value(name, labels);
  const call = async () => callTool(mcp.url, await token('user-31337'), 'get_profile');

  it('count tool calls and the calls to the backend', async () => {
    backend.become(healthy);
    await call();
    const tools = 'latchkey_mcp_tool_call_duration_seconds_count';
    expect(await value(tools, { tool: 'get_profile', outcome: 'ok' })).toBe(1);
    const route = { route: 'user', outcome: 'ok' };
    expect(await value('latchkey_mcp_backend_calls_total', route)).toBe(1);
    expect(await value('latchkey_mcp_backend_request_duration_seconds_count', route)).toBe(1);
    expect(await value('latchkey_mcp_backend_circuit_open', { route: 'user' })).toBe(0);
    expect(await value('latchkey_mcp_backend_bulkhead_calls', { state: 'running' })).toBe(0);
  });

  it('include the versions of Latchkey and Node', async () => {
    const labels = { version: '0.1.0', node: process.versions.node };
    expect(await value('latchkey_build_info', labels)).toBe(1);
  });

  it('count HTTP requests by route and status', async () => {
    const http = 'latchkey_http_request_duration_seconds_count';
    await fetch(new URL('/health/live', mcp.origin));
    await expect.poll(() => value(http, { route: '/health/live', status: '200' })).toBe(1);
    await fetch(new URL('/junk/1', mcp.origin));
    await expect.poll(() => value(http, { route: 'none', status: '404' })).toBe(1);
  });

  it('count retries and failures, and show that the circuit breaker is open', async () => {
    backend.become(respond(503, {}));
    for (let count = 0; count < 6; count++) await call();
    expect(await value('latchkey_mcp_backend_retries_total', { route: 'user' })).toBeGreaterThan(0);
    expect(await value('latchkey_mcp_backend_circuit_open', { route: 'user' })).toBe(1);
    const failed = { route: 'user', outcome: 'status' };
    expect(await value('latchkey_mcp_backend_calls_total', failed)).toBeGreaterThan(0);
    expect((await scrape()).text).toMatch(
      /tool="get_profile",outcome="backend-(status|circuit-open)"/,
    );
  });

  it('contain no user id', async () => {
    expect((await scrape()).text).not.toContain('31337');
  });
});
