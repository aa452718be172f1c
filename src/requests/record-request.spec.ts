import { recordQueueTime } from '@latchkey/http-front/queue-time';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { PROBLEM_TYPES } from '../problems/problem.js';
import type { FinishedRequest } from './finished-request.js';
import { FinishedRequests } from './finished-requests.js';
import { REFUSALS, watchRequest } from './watch-request.js';

it('includes the time in the queue of the load shedder in the duration of a request', async () => {
  const finished: FinishedRequest[] = [];
  const requests = new FinishedRequests();
  requests.observe((_kind, alike) => finished.push(...alike));
  const fastify = Fastify();
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/late') recordQueueTime(request.raw, 60_000);
    watchRequest(request, reply, requests);
    done();
  });
  fastify.get('/:name', () => 'done');
  await fastify.inject('/late');
  await fastify.inject('/prompt');
  await expect.poll(() => finished.length).toBe(2);
  const [late, prompt] = finished.map(({ durationMs }) => durationMs);
  expect(late).toBeGreaterThanOrEqual(60_000);
  expect(prompt).toBeLessThan(60_000);
});

it('names the outcome of every problem that refuses a good key', () => {
  const refusals = Object.entries(PROBLEM_TYPES)
    .filter(([, { status }]) => status === 403 || status === 429)
    .map(([code]) => code);
  expect(Object.keys(REFUSALS).toSorted()).toEqual(refusals.toSorted());
});
