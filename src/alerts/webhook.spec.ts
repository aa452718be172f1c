import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createServer, type RequestListener, type Server } from 'node:http';
import { ConfigService } from '@nestjs/config';
import { afterEach, describe, expect, it } from 'vitest';
import type { Environment } from '../config/environment.js';
import { DeliveryError, Webhook } from './webhook.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The test server has no port');
  return `http://127.0.0.1:${address.port}/`;
}

function send(url: string): Promise<void> {
  const config = new ConfigService<Environment, true>({ ALERT_WEBHOOK_URL: url });
  return new Webhook(config).send('{}', new AbortController().signal);
}

describe('Webhook', () => {
  it.each([301, 302, 303, 307, 308])(
    'does not follow a redirect with status %i',
    async (status) => {
      let visits = 0;
      const internal = await serve((_request, response) => {
        visits += 1;
        response.end();
      });
      const receiver = await serve((_request, response) => {
        response.writeHead(status, { location: internal }).end();
      });

      await expect(send(receiver)).rejects.toThrow(new DeliveryError(`status ${status}`));
      expect(visits).toBe(0);
      await send(internal);
      expect(visits).toBe(1);
    },
  );

  it('rejects a response of more than 64 KiB', async () => {
    const receiver = await serve((_request, response) => response.end('x'.repeat(100_000)));

    await expect(send(receiver)).rejects.toThrow(DeliveryError);
  });

  it('times out after five seconds without a response, despite garbage collections', async () => {
    const receiver = await serve(() => undefined);
    await Promise.all([
      expect(send(receiver)).rejects.toThrow(new DeliveryError('no response in time')),
      sleep(1000).then(collectGarbage),
      sleep(2000).then(collectGarbage),
    ]);
  }, 10_000);
});
