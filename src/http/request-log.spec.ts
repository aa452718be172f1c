import fc from 'fast-check';
import { createLoggerFor } from '@latchkey/logging/logger';
import { describe, expect, it } from 'vitest';
import type { RequestEvent, RequestLabels } from '../requests/request-event.js';
import { RequestLog } from './request-log.js';

type Details = Pick<RequestEvent, 'requestId' | 'durationMs'>;

const REQUEST: Details = { requestId: 'r1', durationMs: 1.5 };
const LABELS: RequestLabels = {
  method: 'GET',
  route: '/api/internal/users/:id',
  status: 200,
  source: '192.0.2.1',
  client: 'curl/8',
  keyId: 'k1',
  outcome: 'admitted',
  limit: null,
};

function linesOf(
  ...requests: readonly Partial<Details & RequestLabels>[]
): readonly Record<string, unknown>[] {
  const lines: string[] = [];
  const log = new RequestLog(createLoggerFor({ write: (line) => void lines.push(line) }, 'info'));
  for (const fields of requests) {
    const changesLabels = Object.keys(fields).some((name) => name in LABELS);
    log.write(changesLabels ? { ...LABELS, ...fields } : LABELS, [
      { labels: LABELS, ...REQUEST, ...fields },
    ]);
  }
  return lines.map((line) => JSON.parse(line));
}

const lineOf = (fields: Partial<Details & RequestLabels>) => linesOf(fields)[0];

describe('the log line', () => {
  it.each([
    ['admitted', null, 'authn_login_success', 'info'],
    ['forbidden', null, 'authz_fail', 'info'],
    ['rate-limited', 'key-rate', 'excess_rate_limit_exceeded', 'info'],
    ['enumeration-limited', 'key-enumeration', 'malicious_direct_reference', 'warn'],
    ['revoked', null, 'authn_token_reuse', 'warn'],
    ['expired', 'source-failures', 'authn_token_reuse', 'warn'],
    ['unknown', null, 'authn_login_fail', 'info'],
    ['unknown', 'source-failures', 'authn_login_fail_max', 'info'],
    ['unverifiable', null, 'authn_login_fail', 'info'],
  ] as const)(
    'of a request with outcome %s and limit %s has event %s and level %s',
    (outcome, limit, event, level) => {
      expect(lineOf({ outcome, limit })).toMatchObject({ outcome, limit, event, level });
    },
  );

  it('has no event, source or client on routes that require no key', () => {
    expect(lineOf({ outcome: null, keyId: null })).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      msg: 'request',
      requestId: 'r1',
      method: 'GET',
      route: '/api/internal/users/:id',
      status: 200,
      durationMs: 1.5,
      keyId: null,
    });
  });

  it.each([
    { method: 'POST' },
    { route: null },
    { status: 404 },
    { source: '192.0.2.2' },
    { client: null },
    { client: 'a"b\\c' },
    { source: 'Ärger ✓' },
    { keyId: 'k2' },
    { outcome: 'forbidden' },
    { outcome: 'rate-limited', limit: 'key-rate' },
    { requestId: 'r2', durationMs: 2 },
  ] as const)('has its own values, not those of the line before: %j', (fields) => {
    const [before, after, again] = linesOf({}, fields, {});
    expect(before).toMatchObject({ ...REQUEST, ...LABELS });
    expect(after).toMatchObject({ ...REQUEST, ...LABELS, ...fields });
    expect(again).toMatchObject({ ...REQUEST, ...LABELS });
  });

  it.each([
    ['/api/health', 200, 'debug'],
    ['/api/health/ready', 200, 'debug'],
    ['/api/health/ready', 503, 'info'],
    ['/api/docs/*', 200, 'debug'],
    ['/api/auth/me', 200, 'info'],
    [null, 404, 'info'],
  ] as const)('of a public request to %s with status %i has level %s', (route, status, level) => {
    const lines: string[] = [];
    const logger = createLoggerFor({ write: (line) => void lines.push(line) }, 'debug');
    const labels = { ...LABELS, route, status, keyId: null, outcome: null };
    new RequestLog(logger).write(labels, [{ labels, ...REQUEST }]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ route, status, level });
  });

  it('has the duration to the microsecond', () => {
    const microseconds = fc.nat({ max: 20_000_000 });
    fc.assert(
      fc.property(microseconds, (us) => {
        const durationMs = us / 1000;
        expect(lineOf({ durationMs })).toMatchObject({ durationMs });
      }),
    );
  });

  it('is not written if its level is disabled', () => {
    const lines: string[] = [];
    const log = new RequestLog(createLoggerFor({ write: (line) => void lines.push(line) }, 'warn'));
    log.write(LABELS, [{ labels: LABELS, ...REQUEST }]);
    log.write({ ...LABELS, outcome: 'revoked' }, [{ labels: LABELS, ...REQUEST }]);
    expect(lines).toHaveLength(1);
  });

  it('has the key of its own request, for many requests with different keys', () => {
    const many = Array.from({ length: 2500 }, (_, number) => ({ keyId: `k${number}` }));
    expect(linesOf(...many).map(({ keyId }) => keyId)).toEqual(many.map(({ keyId }) => keyId));
  });
});
