import http from 'node:http';
import { expect, it } from 'vitest';
import { createAgent } from './connect-timeout.js';

it('gives up a connection that is not made in time', async () => {
  const agent = createAgent('http:', 100);
  const startedAt = performance.now();
  const failure = await new Promise((resolve) => {
    // A name that is never resolved stands for a host that never answers.
    const lookup = () => undefined;
    http.get({ agent, host: 'backend.example', lookup }).on('error', resolve);
  });
  expect(failure).toMatchObject({ code: 'ETIMEDOUT' });
  expect(performance.now() - startedAt).toBeLessThan(1000);
  agent.destroy();
});
