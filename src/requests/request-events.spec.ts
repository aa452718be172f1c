import { setImmediate as afterTick } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RequestLabels } from './request-event.js';
import { RequestEvents } from './request-events.js';

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

function observe() {
  const requests = new RequestEvents();
  const delivered: [labels: RequestLabels, ids: string[]][] = [];
  requests.observe((labels, events) => {
    delivered.push([labels, events.map(({ requestId }) => requestId)]);
  });
  const emit = (labels: RequestLabels, requestId: string) =>
    requests.emit({ labels, requestId, durationMs: 1 });
  return { requests, emit, delivered };
}

describe('RequestEvents', () => {
  it('delivers events with the same labels in one batch per tick', async () => {
    const { emit, delivered } = observe();
    emit(LABELS, 'r1');
    emit({ ...LABELS, keyId: 'k2' }, 'r2');
    emit({ ...LABELS }, 'r3');
    expect(delivered).toEqual([]);
    await afterTick();
    expect(delivered).toEqual([
      [LABELS, ['r1', 'r3']],
      [{ ...LABELS, keyId: 'k2' }, ['r2']],
    ]);
    emit(LABELS, 'r4');
    await afterTick();
    expect(delivered.slice(2)).toEqual([[LABELS, ['r4']]]);
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
  ] as const)('delivers events that differ in %j in separate batches', async (fields) => {
    const { emit, delivered } = observe();
    for (const [index, labels] of [LABELS, { ...LABELS, ...fields }, LABELS].entries())
      emit(labels, `r${index}`);
    await afterTick();
    const ids = delivered.filter(([labels]) => labels === LABELS).flatMap(([, events]) => events);
    expect(ids).toEqual(['r0', 'r2']);
    expect(delivered.find(([, events]) => events.includes('r1'))?.[0]).toEqual({
      ...LABELS,
      ...fields,
    });
  });

  it('delivers each event once, even if one tick has events of more than 1,000 keys', async () => {
    const { emit, delivered } = observe();
    const many = Array.from({ length: 5000 }, (_, number) => number);
    for (const number of many) emit({ ...LABELS, keyId: `k${number % 2500}` }, `r${number}`);
    await afterTick();
    expect(delivered.flatMap(([, ids]) => ids).toSorted()).toEqual(
      many.map((number) => `r${number}`).toSorted(),
    );
  });

  it('delivers events immediately during shutdown', () => {
    const { requests, emit, delivered } = observe();
    emit(LABELS, 'r1');
    requests.beforeApplicationShutdown();
    expect(delivered).toEqual([[LABELS, ['r1']]]);
    emit(LABELS, 'r2');
    expect(delivered.slice(1)).toEqual([[LABELS, ['r2']]]);
  });
});
