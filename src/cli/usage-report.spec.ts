import { describe, expect, it } from 'vitest';
import { renderUsage } from './usage-report.js';

const GET = 'GET /api/internal/users/:id';
const USAGE = {
  keyId: 'k1',
  from: '2026-11-25T10:00:00.000Z',
  to: '2026-11-25T12:30:00.000Z',
  requests: 2044,
  outcomes: [],
  hours: [
    { hour: '2026-11-25T10:00:00.000Z', route: GET, outcome: 'admitted', requests: 2000 },
    { hour: '2026-11-25T10:00:00.000Z', route: GET, outcome: 'rate-limited', requests: 43 },
    { hour: '2026-11-25T12:00:00.000Z', route: GET, outcome: 'admitted', requests: 1 },
  ],
};

describe('the usage report of a key', () => {
  it('contains the name of the key, a bar for each hour with requests, and the routes', () => {
    expect(renderUsage(USAGE, 'mailer', 80)).toBe(
      `mailer  k1
2,044 requests from 2026-11-25 10:00 to 2026-11-25 12:30 UTC

hour (UTC)        requests  refused
2026-11-25 10:00  2,043     43       ${'█'.repeat(40)}
… 1 h without     0
2026-11-25 12:00  1                  ▏

route                        outcome       requests
GET /api/internal/users/:id  admitted      2,001
GET /api/internal/users/:id  rate-limited  43`,
    );
  });

  it('contains no chart if the key made no requests', () => {
    expect(renderUsage({ ...USAGE, requests: 0, hours: [] }, null, 80)).toBe(
      'k1\n0 requests from 2026-11-25 10:00 to 2026-11-25 12:30 UTC',
    );
  });
});
