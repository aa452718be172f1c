import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { type Socket, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onResponseEnd } from './response-end.js';

let server: Server;
let client: Socket;
let responses: ServerResponse[];
/** The indexes of the ended responses, in the order in which they ended. */
let ended: number[];

beforeEach(async () => {
  responses = [];
  // Each test has its own array, because a response of an earlier test may end during this test.
  const indexes: number[] = [];
  ended = indexes;
  server = createServer((_request, response) => {
    const index = responses.push(response) - 1;
    onResponseEnd(response, () => indexes.push(index));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
});
afterEach(async () => {
  client.destroy();
  server.close();
  await once(server, 'close');
});

async function send(requests: number): Promise<void> {
  const expected = responses.length + requests;
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(requests));
  await vi.waitUntil(() => responses.length === expected, 10_000);
}

describe('onResponseEnd', () => {
  it('calls back when the response has been sent', async () => {
    await send(1);
    expect(ended).toEqual([]);
    responses[0]?.end('done');
    await vi.waitUntil(() => ended.length > 0, 10_000);
    await send(1);
    expect(ended).toEqual([0]);
  });

  it('calls back when the client disconnects', async () => {
    await send(1);
    client.destroy();
    await vi.waitUntil(() => ended.length > 0, 10_000);
    responses[0]?.end('too late');
    expect(ended).toEqual([0]);
  });

  it('calls back once for each of several pipelined requests', async () => {
    await send(3);
    for (const response of responses.toReversed()) response.end('done');
    await vi.waitUntil(() => ended.length === 3, 10_000);
    client.destroy();
    await once(client, 'close');
    expect(ended).toEqual([0, 1, 2]);
  });

  it('calls back once for each pipelined request of a client that disconnects', async () => {
    await send(4);
    responses[0]?.end('done');
    await vi.waitUntil(() => ended.length === 1, 10_000);
    client.destroy();
    await vi.waitUntil(() => ended.length === 4, 10_000);
    for (const response of responses.slice(1)) response.end('too late');
    expect(ended.toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3]);
  });
});
