import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { FinishedRequest } from '../requests/finished-request.js';
import { logRequest } from './request-log.js';

const REQUEST: FinishedRequest = {
  requestId: 'r1',
  method: 'GET',
  route: '/api/internal/users/:id',
  status: 200,
  durationMs: 1.5,
  source: '192.0.2.1',
  client: 'curl/8',
  keyId: 'k1',
  outcome: 'admitted',
  limit: null,
};

function lineOf(fields: Partial<FinishedRequest>): Record<string, unknown> {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const logger = pino({ base: null, formatters: { level: (level) => ({ level }) } }, stream);
  logRequest(logger, { ...REQUEST, ...fields });
  return JSON.parse(text);
}

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
      time: expect.any(Number),
      msg: 'request',
      requestId: 'r1',
      method: 'GET',
      route: '/api/internal/users/:id',
      status: 200,
      durationMs: 1.5,
      keyId: null,
    });
  });
});
