import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withKey } from '../../test/support/app.js';
import { TraceCollector } from '../../test/support/trace-collector.js';
import { addUser } from '../../test/support/users.js';
import { callTool } from './support/clients.js';
import { FakeBackend, healthy } from './support/fake-backend.js';
import { API_KEY, startMcp } from './support/servers.js';
import { useStack } from './support/stack.js';
import { token } from './support/tokens.js';

const WAIT = { timeout: 30_000 };
const SERVICES = new Set(['latchkey-mcp-server', 'latchkey-backend']);

describe('traces', () => {
  const variables: NodeJS.ProcessEnv = {};
  let collector: TraceCollector;
  beforeAll(async () => {
    collector = await TraceCollector.start();
    // `useStack` reads the variables in a later hook, when it starts the servers.
    variables.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  });
  afterAll(() => collector.stop());
  const stack = useStack(variables, variables);

  it('connect the tool call, the request to the backend and the database query', async () => {
    const user = await addUser(stack.prisma, { permissions: ['read'] });
    const result = await callTool(stack.mcp.url, await token(user.id), 'get_profile');
    expect(result.isError).toBeUndefined();
    const call = () => collector.spans.find(({ name }) => name === 'tools/call get_profile');
    await expect.poll(call, WAIT).toBeDefined();
    const traceId = call()?.traceId ?? '';
    await expect.poll(() => collector.find(traceId, 'database read users'), WAIT).toBeDefined();
    // The innermost span comes first: each span is the child of the next span.
    const path = [
      'database read users',
      'GET /api/internal/users/:id',
      'backend user',
      'tools/call get_profile',
      'POST /mcp',
    ];
    await expect.poll(() => collector.find(traceId, 'POST /mcp'), WAIT).toBeDefined();
    const spans = path.map((name) => collector.find(traceId, name));
    const parents = spans.map((span) => span?.parentSpanId);
    expect(parents.slice(0, -1)).toEqual(spans.slice(1).map((span) => span?.spanId));
    expect(new Set(spans.map((span) => span?.service))).toEqual(SERVICES);
  });

  it('continue the caller’s own trace', async () => {
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    await withKey(stack.backend.origin, API_KEY)
      .post('/api/internal/users/search')
      .set('traceparent', `00-${traceId}-${spanId}-01`)
      .send({ email: 'nobody@example.com' })
      .expect(200);
    const name = 'POST /api/internal/users/search';
    await expect.poll(() => collector.find(traceId, name)?.parentSpanId, WAIT).toBe(spanId);
    // The request stays the parent of the query, although the body is read asynchronously.
    const query = () => collector.find(traceId, 'database read users')?.parentSpanId;
    await expect.poll(query, WAIT).toBe(collector.find(traceId, name)?.spanId);
  });

  it('mark a failed span, without the text of the error', async () => {
    const { id } = await addUser(stack.prisma, { permissions: ['read'] });
    await callTool(stack.mcp.url, await token(`${id}x`), 'get_profile');
    const failed = () =>
      collector.spans.find(({ name, status }) => name === 'backend user' && status.code === 2);
    await expect.poll(failed, WAIT).toBeDefined();
    expect(failed()?.attributes).toContainEqual({
      key: 'error.type',
      value: { stringValue: 'UserNotFoundError' },
    });
  });

  it('contain no user id, email, API key or query string', async () => {
    const user = await addUser(stack.prisma, { permissions: ['read'] });
    const before = collector.spans.length;
    const ids = `/api/internal/users?ids=${user.id}`;
    await withKey(stack.backend.origin, API_KEY).get(ids).expect(200);
    await callTool(stack.mcp.url, await token(user.id), 'get_balance');
    await expect.poll(() => collector.spans.length, WAIT).toBeGreaterThan(before + 6);
    for (const secret of [user.id, user.email, API_KEY, 'ids=']) {
      expect(collector.raw).not.toContain(secret);
    }
  });
});

describe('without a trace collector', () => {
  it('the MCP server does not load the SDK of OpenTelemetry', async () => {
    const backend = await FakeBackend.start();
    backend.become(healthy);
    const mcp = await startMcp({
      BACKEND_API_URL: backend.url,
      // Setting `WITHOUT` selects the unbundled server: a bundle hides which modules are loaded.
      WITHOUT: '',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(LISTS_MODULES)}`,
    });
    await callTool(mcp.url, await token('12345'), 'get_profile');
    await mcp.stop();
    await backend.stop();
    expect(mcp.output).toContain('modules: ');
    expect(mcp.output).not.toContain('@opentelemetry/sdk');
  });

  it('the MCP server works, and logs once that a configured collector is unavailable', async () => {
    const backend = await FakeBackend.start();
    backend.become(healthy);
    const mcp = await startMcp({
      BACKEND_API_URL: backend.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    });
    const result = await callTool(mcp.url, await token('12345'), 'get_profile');
    expect(result.isError).toBeUndefined();
    await expect.poll(() => mcp.output, WAIT).toContain('Trace collector unavailable');
    await callTool(mcp.url, await token('12345'), 'get_profile');
    await mcp.stop();
    await backend.stop();
    expect(mcp.output.match(/Trace collector unavailable/g)).toHaveLength(1);
  });
});

// Prints the loaded CommonJS modules: the OpenTelemetry SDK consists of CommonJS modules.
const LISTS_MODULES = `import { createRequire } from 'node:module';
const { cache } = createRequire('/');
process.on('exit', () => console.log('modules: ' + Object.keys(cache).join(' ')));`;
