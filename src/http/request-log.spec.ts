import fc from 'fast-check';
import { createLoggerFor } from '@latchkey/logging/logger';
import { describe, expect, it } from 'vitest';
import type { FinishedRequest, RequestKind } from '../requests/finished-request.js';
import { RequestLog } from './request-log.js';

const REQUEST: FinishedRequest = { requestId: 'r1', durationMs: 1.5 };
const KIND: RequestKind = {
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
  ...requests: readonly Partial<FinishedRequest & RequestKind>[]
): readonly Record<string, unknown>[] {
  const lines: string[] = [];
  const log = new RequestLog(createLoggerFor({ write: (line) => void lines.push(line) }, 'info'));
  for (const fields of requests) {
    const isAnother = Object.keys(fields).some((name) => name in KIND);
    log.write(isAnother ? { ...KIND, ...fields } : KIND, [{ ...REQUEST, ...fields }]);
  }
  return lines.map((line) => JSON.parse(line));
}

const lineOf = (fields: Partial<FinishedRequest & RequestKind>) => linesOf(fields)[0];

describe('the line of a request', () => {
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
    'calls %s with limit %s the event %s, at level %s',
    (outcome, limit, event, level) => {
      expect(lineOf({ outcome, limit })).toMatchObject({ outcome, limit, event, level });
    },
  );

  it('names no event, source or client where no key was asked for', () => {
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
  ] as const)('says what is new since the line before: %j', (fields) => {
    const [before, after, again] = linesOf({}, fields, {});
    expect(before).toMatchObject({ ...REQUEST, ...KIND });
    expect(after).toMatchObject({ ...REQUEST, ...KIND, ...fields });
    expect(again).toMatchObject({ ...REQUEST, ...KIND });
  });

  it('has every duration to the microsecond', () => {
    const microseconds = fc.nat({ max: 20_000_000 });
    fc.assert(
      fc.property(microseconds, (us) => {
        const durationMs = us / 1000;
        expect(lineOf({ durationMs })).toMatchObject({ durationMs });
      }),
    );
  });

  it('is not written where its level is off', () => {
    const lines: string[] = [];
    const log = new RequestLog(createLoggerFor({ write: (line) => void lines.push(line) }, 'warn'));
    log.write(KIND, [REQUEST]);
    log.write({ ...KIND, outcome: 'revoked' }, [REQUEST]);
    expect(lines).toHaveLength(1);
  });

  it('names the key of each of many', () => {
    const many = Array.from({ length: 2500 }, (_, number) => ({ keyId: `k${number}` }));
    expect(linesOf(...many).map(({ keyId }) => keyId)).toEqual(many.map(({ keyId }) => keyId));
  });
});
