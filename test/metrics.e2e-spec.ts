import { once } from 'node:events';
import { createServer } from 'node:http';
import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { startApp, useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';
import { Scrape } from './support/metrics.js';
import { addUser } from './support/users.js';

const NO_DATABASE = { DATABASE_URL: 'postgresql://nobody:pw@127.0.0.1:1/none' };
const REQUEST_COUNT = 'latchkey_http_request_duration_seconds_count';
const USER_ROUTE = { method: 'GET', route: '/api/internal/users/:id' };

describe('the metrics', () => {
  const app = useApp({ METRICS_PORT: '0' });
  const endpoint = () => app.nest.get(MetricsEndpoint, { strict: false }).url;
  const scrape = () => Scrape.of(endpoint());

  // Polls, because the server may count a request after the client has read the response.
  const expectSoon = async (name: string, labels: Record<string, string>, value: number) => {
    await expect
      .poll(async () => (await scrape()).value(name, labels), { timeout: 10_000 })
      .toBe(value);
  };

  it('have the text format of Prometheus', async () => {
    const { contentType, text } = await scrape();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(/^# HELP latchkey_http_request_duration_seconds .+\n# TYPE /m);
  });

  it('are served on a port that serves nothing else', async () => {
    const origin = new URL(endpoint() ?? '').origin;
    await request(origin).get('/').expect(404);
    await request(origin).post('/metrics').expect(404);
    await request(origin).get('/api/health').expect(404);
  });

  it('are not served to callers', async () => {
    await withKey(app.url).get('/metrics').expect(404);
    await withKey(app.url).get('/api/metrics').expect(404);
  });

  it('count requests by the pattern of their route and by status', async () => {
    const { id } = await addUser(app.prisma);
    const before = (await scrape()).value(REQUEST_COUNT, { ...USER_ROUTE, status: '200' }) ?? 0;
    await withKey(app.url).get(`/api/internal/users/${id}`).expect(200);
    await expectSoon(REQUEST_COUNT, { ...USER_ROUTE, status: '200' }, before + 1);
  });

  it('count a wrong key at /api/health as an authentication attempt', async () => {
    const attempts = 'latchkey_auth_attempts_total';
    const before = (await scrape()).value(attempts, { outcome: 'unknown' }) ?? 0;
    await withKey(app.url, 'wrong').get('/api/health').expect(200);
    await expectSoon(attempts, { outcome: 'unknown' }, before + 1);
  });

  it('include the versions of Latchkey and Node', async () => {
    const labels = { version: '0.1.0', node: process.versions.node };
    expect((await scrape()).value('latchkey_build_info', labels)).toBe(1);
  });

  it('count authentication attempts by outcome, and show 0 before the first attempt', async () => {
    const { secret } = await issueKey(app.url, { scopes: ['keys:read'] });
    const attempts = 'latchkey_auth_attempts_total';
    const before = await scrape();
    for (const outcome of ['forbidden', 'revoked', 'missing']) {
      expect(before.value(attempts, { outcome })).toBeDefined();
    }
    await withKey(app.url, secret).get('/api/internal/users/1').expect(403);
    await request(app.url).get('/api/internal/users/1').expect(401);
    await expectSoon(attempts, { outcome: 'forbidden' }, 1);
    await expectSoon(attempts, { outcome: 'missing' }, 1);
  });

  it('have no label values that callers can choose', async () => {
    const junk = (part: string) => withKey(app.url).get(`/${part}/${Math.random()}`).expect(404);
    await junk('warm-up');
    await expect.poll(async () => (await scrape()).text).toContain('route="none"');
    const before = await scrape();
    const unrouted = { method: 'GET', route: 'none', status: '404' };
    for (let count = 0; count < 200; count++) await junk('api/internal/junk');
    await request(app.url).trace('/api/internal/users/1');
    await request(app.url).get('/api/internal/users/%zz').expect(400);
    await expectSoon(REQUEST_COUNT, unrouted, (before.value(REQUEST_COUNT, unrouted) ?? 0) + 200);
    const after = await scrape();
    const added = after.series(REQUEST_COUNT).length - before.series(REQUEST_COUNT).length;
    expect(added).toBeLessThanOrEqual(3);
    expect(after.text).not.toContain('junk');
  });

  it('record how many look-ups of users share an SQL statement', async () => {
    const batches = 'latchkey_user_lookup_batch_size';
    const before = (await scrape()).value(`${batches}_sum`) ?? 0;
    const get = (id: number) =>
      withKey(app.url).get(`/api/internal/users/nobody-${id}`).expect(404);
    await Promise.all([get(1), get(2), get(3)]);
    const after = await scrape();
    expect(after.value(`${batches}_sum`)).toBe(before + 3);
    expect(after.value(`${batches}_count`)).toBeGreaterThan(0);
  });

  it('contain no user, no key and no address', async () => {
    const { id } = await addUser(app.prisma);
    const key = await issueKey(app.url);
    await withKey(app.url, key.secret).get(`/api/internal/users/${id}`).expect(200);
    await expect
      .poll(async () => (await scrape()).value('latchkey_issued_keys'))
      .toBeGreaterThan(0);
    const { text } = await scrape();
    for (const secret of [id, key.id, key.secret, '127.0.0.1']) expect(text).not.toContain(secret);
  });

  it('include the state of the key sync, the pool and the event loop', async () => {
    const scraped = await scrape();
    expect(scraped.value('latchkey_key_sync_fresh')).toBe(1);
    expect(scraped.value('latchkey_key_sync_lag_seconds')).toBeLessThan(5);
    expect(scraped.value('latchkey_database_pool_max_connections')).toBe(10);
    expect(scraped.value('latchkey_database_pool_connections', { state: 'idle' })).toBeGreaterThan(
      0,
    );
    expect(scraped.value('latchkey_database_pool_waiting')).toBe(0);
    expect(scraped.value('latchkey_http_requests_in_flight')).toBeLessThan(10);
    expect(scraped.value('latchkey_http_requests_in_flight_limit')).toBeGreaterThan(0);
    expect(scraped.value('latchkey_http_requests_waiting')).toBe(0);
    expect(scraped.value('latchkey_http_requests_shed_total')).toBe(0);
    expect(scraped.value('latchkey_alert_firing', { rule: 'key-sync-stale' })).toBe(0);
    expect(scraped.value('latchkey_alert_outbox_pending')).toBe(0);
    expect(scraped.value('latchkey_event_loop_utilization')).toBeLessThanOrEqual(1);
    expect(scraped.names).toContain('nodejs_eventloop_lag_p99_seconds');
    expect(scraped.names).toContain('process_resident_memory_bytes');
  });
});

describe('without a database', () => {
  it('the metrics are served, and show that the key cache is not fresh', async () => {
    const app = await startApp({ ...NO_DATABASE, METRICS_PORT: '0' });
    const scraped = await Scrape.of(app.get(MetricsEndpoint, { strict: false }).url);
    expect(scraped.value('latchkey_key_sync_fresh')).toBe(0);
    expect(scraped.value('latchkey_key_sync_lag_seconds')).toBe(Infinity);
    await app.close();
  });
});

describe('the metrics port', () => {
  it('is opened only if METRICS_PORT is set', async () => {
    const app = await startApp(NO_DATABASE);
    expect(app.get(MetricsEndpoint, { strict: false }).url).toBeUndefined();
    await app.close();
  });

  it('causes an error that names METRICS_PORT if the port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await expect(startApp({ ...NO_DATABASE, METRICS_PORT: String(port) })).rejects.toThrow(
      /METRICS_PORT: cannot listen on .*EADDRINUSE/,
    );
    taken.close();
  });
});
