import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigService } from '@nestjs/config';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { KeyDetector } from '../src/alerts/key-detector.js';
import { Alerts } from '../src/alerts/alerts.js';
import { UsageRecorder } from '../src/usage/usage-recorder.js';
import type { RequestLabels } from '../src/requests/request-event.js';
import { RequestEvents } from '../src/requests/request-events.js';
import { AlertReceiver, isGenuine } from './support/alert-receiver.js';
import { startApp, useApp, withKey } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { issueKey } from './support/keys.js';

const SECRET = 'a-secret-of-the-receiver';
const WAIT = { timeout: 30_000 };

const DEFAULT_THRESHOLDS: NodeJS.ProcessEnv = { ALERT_WEBHOOK_SECRET: SECRET };
const LOW_THRESHOLDS: NodeJS.ProcessEnv = {
  ...DEFAULT_THRESHOLDS,
  ALERT_SOURCE_FAILURES: '5',
  ALERT_FAILING_SOURCES: '1',
  ALERT_QUIET_SECONDS: '2',
};

let receiver: AlertReceiver;
beforeAll(async () => {
  receiver = await AlertReceiver.start();
  // The receiver's port is known only now. The applications start later, with this URL.
  for (const variables of [DEFAULT_THRESHOLDS, LOW_THRESHOLDS])
    variables.ALERT_WEBHOOK_URL = receiver.url;
});
afterAll(() => receiver.goDown());

describe('an alert', () => {
  const app = useApp(LOW_THRESHOLDS);
  const fail = async (times: number) => {
    for (let count = 0; count < times; count++) {
      await request(app.url).get('/api/internal/users/12345').expect(401);
    }
  };

  it('is sent once when failures from one network begin, and once when they end', async () => {
    await fail(12);
    await expect.poll(() => receiver.of('repeated-failures', 'resolved').length, WAIT).toBe(1);
    const [begun, ...more] = receiver.of('repeated-failures', 'firing');
    const [ended] = receiver.of('repeated-failures', 'resolved');
    expect(more).toEqual([]);
    expect(begun).toMatchObject({
      subject: '127.0.0.1',
      severity: 'warning',
      details: { failures: 5, seconds: 60 },
      text: 'Alert: 127.0.0.1 failed to authenticate 5 times within 60 s',
    });
    expect(ended).toMatchObject({ incidentId: begun?.incidentId, startedAt: begun?.startedAt });
    expect(ended?.id).not.toBe(begun?.id);
    expect(ended?.text).toBe('Resolved: No more failed authentication attempts from 127.0.0.1');
    expect(receiver.of('failures-from-many-sources', 'firing')).toHaveLength(1);
  });

  it('is signed, so that the receiver can reject forged alerts', () => {
    const { headers, body } = receiver.requests[0] ?? { headers: {}, body: '' };
    const signature = headers['x-latchkey-signature'];
    expect(isGenuine(SECRET, signature, body)).toBe(true);
    expect(isGenuine(SECRET, signature, `${body} `)).toBe(false);
    expect(isGenuine('another', signature, body)).toBe(false);
    expect(headers['content-type']).toBe('application/json');
  });

  it('is sent when a revoked key is used, and does not quote the key', async () => {
    const key = await issueKey(app.url);
    await withKey(app.url).post(`/api/internal/api-keys/${key.id}/revoke`).send({}).expect(200);
    await withKey(app.url, key.secret).get('/api/internal/users/12345').expect(401);
    await expect.poll(() => receiver.of('revoked-key-used', 'firing').length, WAIT).toBe(1);
    expect(receiver.of('revoked-key-used')[0]).toMatchObject({
      subject: key.id,
      details: { source: '127.0.0.1' },
      event: 'authn_token_reuse',
    });
    for (const { body } of receiver.requests) {
      expect(body).not.toContain(key.secret);
      expect(body).not.toContain('12345');
    }
  });

  it('is sent when a key enumerates users', async () => {
    const labels: RequestLabels = {
      method: 'GET',
      route: '/api/internal/users/:id',
      status: 429,
      source: '192.0.2.9',
      client: null,
      keyId: 'k-enumerating',
      outcome: 'enumeration-limited',
      limit: 'key-enumeration',
    };
    const events = app.nest.get(RequestEvents, { strict: false });
    events.emit({ labels, requestId: 'r', durationMs: 1 });
    await expect.poll(() => receiver.of('enumeration', 'firing').length, WAIT).toBe(1);
    expect(receiver.of('enumeration')[0]).toMatchObject({ subject: 'k-enumerating' });
  });

  it('is sent again until the receiver accepts it', async () => {
    receiver.status = 500;
    app.nest.get(Alerts, { strict: false }).raise('enumeration', 'k-refused', { source: '::1' });
    await expect
      .poll(() => app.prisma.alertDelivery.count({ where: { attempts: { gt: 0 } } }), WAIT)
      .toBeGreaterThan(0);
    receiver.status = 204;
    const arrived = () => receiver.alerts.some(({ subject }) => subject === 'k-refused');
    await expect.poll(arrived, WAIT).toBe(true);
    const undelivered = { where: { deliveredAt: null } };
    await expect.poll(() => app.prisma.alertDelivery.count(undelivered), WAIT).toBe(0);
  });

  it('is abandoned after three days, and stays in the outbox', async () => {
    receiver.status = 500;
    const { id } = await app.prisma.alertDelivery.create({
      data: {
        id: '019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90',
        body: '{}',
        createdAt: new Date(Date.now() - 4 * 86_400_000),
      },
    });
    const find = () => app.prisma.alertDelivery.findUniqueOrThrow({ where: { id } });
    await expect.poll(async () => (await find()).gaveUpAt, WAIT).not.toBeNull();
    receiver.status = 200;
    const { attempts } = await find();
    expect(attempts).toBe(1);
  });
});

describe('keys that need attention', () => {
  const app = useApp(DEFAULT_THRESHOLDS);
  let other: NestFastifyApplication;
  beforeAll(async () => {
    const DATABASE_URL = app.nest.get(ConfigService).getOrThrow<string>('DATABASE_URL');
    other = await startApp({ ...DEFAULT_THRESHOLDS, DATABASE_URL });
  });
  afterAll(() => other.close());
  const runDetectors = () =>
    Promise.all([app.nest, other].map((nest) => nest.get(KeyDetector, { strict: false }).run()));
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();

  it('cause one alert and one resolution although two processes detect them', async () => {
    const key = await issueKey(app.url, { name: '<!channel>', expiresAt: inDays(3) });
    await issueKey(app.url, { expiresAt: inDays(30) });
    await runDetectors();
    await runDetectors();
    await expect.poll(() => receiver.of('key-near-expiry').length, WAIT).toBe(1);
    expect(receiver.of('key-near-expiry')[0]).toMatchObject({ subject: key.id, status: 'firing' });
    expect(receiver.of('key-near-expiry')[0]?.text).toContain('(&lt;!channel&gt;)');
    await withKey(app.url).post(`/api/internal/api-keys/${key.id}/rotate`).send({}).expect(201);
    await runDetectors();
    await expect.poll(() => receiver.of('key-near-expiry', 'resolved').length, WAIT).toBe(1);
    expect(receiver.of('key-near-expiry')).toHaveLength(2);
    expect(receiver.of('key-near-expiry', 'resolved')[0]).toMatchObject({
      text: `Resolved: The key ${key.id} (&lt;!channel&gt;) has a successor`,
      details: { reason: 'has a successor' },
    });
  });

  it('cause an alert, and a resolution with the reason "was revoked" when they are revoked', async () => {
    const key = await issueKey(app.url, { name: 'revoked soon', expiresAt: inDays(3) });
    const alertsOf = (status: 'firing' | 'resolved') =>
      receiver.of('key-near-expiry', status).filter(({ subject }) => subject === key.id);
    await runDetectors();
    await expect.poll(() => alertsOf('firing').length, WAIT).toBe(1);
    await withKey(app.url).post(`/api/internal/api-keys/${key.id}/revoke`).send({}).expect(200);
    await runDetectors();
    await expect.poll(() => alertsOf('resolved').length, WAIT).toBe(1);
    const [resolution] = alertsOf('resolved');
    expect(resolution?.text).toBe(`Resolved: The key ${key.id} (revoked soon) was revoked`);
  });

  it('cause an alert if they are unused for 30 days, and a resolution when they are used', async () => {
    const key = await issueKey(app.url);
    await app.prisma.$executeRaw`ALTER TABLE api_keys DISABLE TRIGGER USER`;
    await app.prisma.apiKey.update({
      where: { id: key.id },
      data: { createdAt: inDays(-40) },
    });
    await app.prisma.$executeRaw`ALTER TABLE api_keys ENABLE TRIGGER USER`;
    await runDetectors();
    await expect.poll(() => receiver.of('key-unused', 'firing').length, WAIT).toBe(1);
    expect(receiver.of('key-unused')[0]).toMatchObject({ subject: key.id, details: { days: 30 } });
    await withKey(app.url, key.secret).get('/api/internal/users/nobody').expect(404);
    await app.nest.get(UsageRecorder, { strict: false }).flush();
    await runDetectors();
    await expect.poll(() => receiver.of('key-unused', 'resolved').length, WAIT).toBe(1);
  });
});

describe('an incident', () => {
  const app = useApp(DEFAULT_THRESHOLDS);
  let other: NestFastifyApplication;
  beforeAll(async () => {
    const DATABASE_URL = app.nest.get(ConfigService).getOrThrow<string>('DATABASE_URL');
    other = await startApp({ ...DEFAULT_THRESHOLDS, DATABASE_URL });
  });
  afterAll(() => other.close());
  const alertsOf = (nest: NestFastifyApplication) => nest.get(Alerts, { strict: false });

  it('that two processes detect causes one alert, and counts as open in both', async () => {
    const both = [app.nest, other].map(alertsOf);
    for (const alerts of both) alerts.raise('revoked-key-used', 'k-shared', { source: '::1' });
    const received = () => receiver.alerts.filter(({ subject }) => subject === 'k-shared');
    await expect.poll(() => received().length, WAIT).toBe(1);
    for (const alerts of both) await alerts.tick();
    expect(both.map((alerts) => alerts.countOpen('revoked-key-used'))).toEqual([1, 1]);
    await both[0]?.end({ rule: 'revoked-key-used', subject: 'k-shared' });
    await both[1]?.tick();
    await expect.poll(() => received().length, WAIT).toBe(2);
    expect(both.map((alerts) => alerts.countOpen('revoked-key-used'))).toEqual([0, 0]);
  });

  it('causes no alert while 100 incidents of its rule are open, which prevents alert storms', async () => {
    const alerts = alertsOf(app.nest);
    for (let source = 0; source < 150; source++) {
      alerts.raise('repeated-failures', `s${source}`, { failures: 20, seconds: 60 });
    }
    const received = () => receiver.alerts.filter(({ subject }) => /^s\d/.test(subject)).length;
    await expect.poll(received, WAIT).toBe(100);
    expect(alerts.suppressed['repeated-failures']).toBe(50);
  });
});

describe('failures from many sources', () => {
  const app = useApp({ TRUSTED_PROXIES: '127.0.0.1', ALERT_FAILING_SOURCES: '3' });
  const failFrom = (address: string) =>
    request(app.url).get('/api/internal/users/1').set('X-Forwarded-For', address).expect(401);
  const countOpen = () =>
    app.nest.get(Alerts, { strict: false }).countOpen('failures-from-many-sources');

  it('cause an alert when a third network fails, but none while only two networks fail', async () => {
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2']) {
      await failFrom(address);
    }
    await sleep(100);
    expect(countOpen()).toBe(0);
    await failFrom('192.0.2.3');
    await expect.poll(countOpen, WAIT).toBe(1);
  });
});

describe('an interrupted key sync', () => {
  it('causes an alert, and a resolution when it is restored', async () => {
    const database = await createTestDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const app = await startApp({ ...DEFAULT_THRESHOLDS, DATABASE_URL: proxy.url });
    const received = (status: 'firing' | 'resolved') =>
      receiver.of('key-sync-stale', status).length > 0;
    proxy.silence('latchkey-key-sync');
    await expect.poll(() => received('firing'), WAIT).toBe(true);
    proxy.restore();
    await expect.poll(() => received('resolved'), WAIT).toBe(true);
    await app.close();
    await proxy.stop();
    await database.drop();
  });
});

describe('alerts without a database', () => {
  it('are sent to the receiver, but not stored', async () => {
    const app = await startApp({
      ...DEFAULT_THRESHOLDS,
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    });
    await expect.poll(() => receiver.of('key-sync-stale', 'firing').length, WAIT).toBe(1);
    expect(receiver.of('key-sync-stale')[0]?.subject).toContain(`/${process.pid}`);
    await app.close();
  });
});

describe('the alert webhook URL', () => {
  it('does not appear in the log message about a failed delivery', async () => {
    const lines: string[] = [];
    const logger = {
      log: () => undefined,
      error: () => undefined,
      warn: (line: string) => lines.push(line),
    };
    const app = await startApp({
      ...DEFAULT_THRESHOLDS,
      ALERT_WEBHOOK_URL: 'http://127.0.0.1:1/s3cret-path',
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    });
    Logger.overrideLogger(logger);
    await expect
      .poll(() => lines.join(' '), WAIT)
      .toContain('Alert delivery fails: DeliveryError: ECONNREFUSED');
    expect(lines.join(' ')).not.toContain('s3cret-path');
    await app.close();
  });
});
