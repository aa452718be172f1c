import { expect, it } from 'vitest';
import { PROBLEM_CONTENT_TYPE } from '../problems/problem.js';
import { renderOverload } from './protocol-problems.js';

it('renderOverload returns a retryable problem', () => {
  const { status, headers, body } = renderOverload('mine');
  expect(status).toBe(503);
  expect(headers).toEqual({ 'content-type': PROBLEM_CONTENT_TYPE, 'retry-after': '1' });
  expect(JSON.parse(body)).toMatchObject({
    code: 'OVERLOADED',
    retryable: true,
    requestId: 'mine',
    instance: 'urn:latchkey:request:mine',
  });
});
