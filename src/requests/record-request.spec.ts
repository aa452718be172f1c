import { recordQueueTime } from '@latchkey/http-front/queue-time';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { PROBLEM_TYPES } from '../problems/problem.js';
import { recordRequest } from './record-request.js';
import type { RequestEvent } from './request-event.js';
import { RequestEvents } from './request-events.js';

it('the duration of a request includes its time in the queue of the load shedder', async () => {
  const completed: RequestEvent[] = [];
  const requests = new RequestEvents();
  requests.observe((_labels, events) => completed.push(...events));
  const fastify = Fastify();
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/late') recordQueueTime(request.raw, 60_000);
    recordRequest(request, reply, requests);
    done();
  });
  fastify.get('/:name', () => 'done');
  await fastify.inject('/late');
  await fastify.inject('/prompt');
  await expect.poll(() => completed.length).toBe(2);
  const [late, prompt] = completed.map(({ durationMs }) => durationMs);
  expect(late).toBeGreaterThanOrEqual(60_000);
  expect(prompt).toBeLessThan(60_000);
});

it('a problem type has a `refusal` if, and only if, its status is 403 or 429', () => {
  const unrecorded = Object.entries(PROBLEM_TYPES)
    .filter(
      ([, { status, refusal }]) => (status === 403 || status === 429) !== (refusal !== undefined),
    )
    .map(([code]) => code);
  expect(unrecorded).toEqual([]);
});
