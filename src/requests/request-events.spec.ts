import { setImmediate as afterTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RequestKind } from './finished-request.js';
import { FinishedRequests } from './finished-requests.js';

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

function observed(): { requests: FinishedRequests; told: [kind: RequestKind, ids: string[]][] } {
  const requests = new FinishedRequests();
  const told: [RequestKind, string[]][] = [];
  requests.observe((kind, alike) => told.push([kind, alike.map(({ requestId }) => requestId)]));
  return { requests, told };
}

describe('finished requests', () => {
  it('are told of at the end of the turn, with all that are alike', async () => {
    const { requests, told } = observed();
    requests.announce(KIND, 'r1', 1);
    requests.announce({ ...KIND, keyId: 'k2' }, 'r2', 1);
    requests.announce({ ...KIND }, 'r3', 1);
    expect(told).toEqual([]);
    await afterTurn();
    expect(told).toEqual([
      [KIND, ['r1', 'r3']],
      [{ ...KIND, keyId: 'k2' }, ['r2']],
    ]);
    requests.announce(KIND, 'r4', 1);
    await afterTurn();
    expect(told.slice(2)).toEqual([[KIND, ['r4']]]);
  });

  it.each([
    { method: 'POST' },
    { route: null },
    { status: 404 },
    { source: '192.0.2.2' },
    { client: null },
    { keyId: 'k2' },
    { outcome: 'forbidden' },
    { limit: 'key-rate' },
  ] as const)('are told apart by %j', async (fields) => {
    const { requests, told } = observed();
    for (const [index, kind] of [KIND, { ...KIND, ...fields }, KIND].entries())
      requests.announce(kind, `r${index}`, 1);
    await afterTurn();
    const ids = told.filter(([kind]) => kind === KIND).flatMap(([, alike]) => alike);
    expect(ids).toEqual(['r0', 'r2']);
    expect(told.find(([, alike]) => alike.includes('r1'))?.[0]).toEqual({ ...KIND, ...fields });
  });

  it('are told of each once, whatever number of keys they come with', async () => {
    const { requests, told } = observed();
    const many = Array.from({ length: 5000 }, (_, number) => number);
    for (const number of many)
      requests.announce({ ...KIND, keyId: `k${number % 2500}` }, `r${number}`, 1);
    await afterTurn();
    expect(told.flatMap(([, ids]) => ids).toSorted()).toEqual(
      many.map((number) => `r${number}`).toSorted(),
    );
  });

  it('are told of at once when the application ends', () => {
    const { requests, told } = observed();
    requests.announce(KIND, 'r1', 1);
    requests.beforeApplicationShutdown();
    expect(told).toEqual([[KIND, ['r1']]]);
    requests.announce(KIND, 'r2', 1);
    expect(told.slice(1)).toEqual([[KIND, ['r2']]]);
  });
});
