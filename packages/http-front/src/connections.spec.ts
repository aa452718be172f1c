import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf, connectionLimit, limitConnections } from './connections.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-limits-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('connectionLimit', () => {
  it.each([
    ['1024', 924],
    ['1048576', 10_000],
    ['unlimited', 10_000],
    ['50', 1],
  ])('leaves files for the database where %s may be open', (soft, limit) => {
    const file = join(folder, soft);
    writeFileSync(
      file,
      `Limit  Soft Limit\nMax open files            ${soft}         524288   files\n`,
    );
    expect(connectionLimit(file)).toBe(limit);
  });

  it('is ten thousand where the system does not say', () => {
    expect(connectionLimit(join(folder, 'none'))).toBe(10_000);
  });
});

describe('limitConnections', () => {
  /** The addresses of those who send a request and reset the connection at once, as the server has them. */
  async function addressesOfLeavers(prepare: typeof limitConnections): Promise<unknown[]> {
    const addresses: unknown[] = [];
    const server = createServer(({ socket }) => void addresses.push(socket.remoteAddress));
    prepare(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    for (let left = 0; left < 100; left++) {
      const client = connect(port, '127.0.0.1');
      await once(client, 'connect');
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n', () => client.resetAndDestroy());
      await once(client, 'close');
    }
    server.close();
    server.closeAllConnections();
    return addresses;
  }

  it('takes no request of a client that is gone without an address', async () => {
    expect(await addressesOfLeavers(limitConnections)).not.toContain(undefined);
  });

  it('would take them otherwise: the control', async () => {
    expect(await addressesOfLeavers(() => undefined)).toContain(undefined);
  });
});

describe('the address to listen on', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::1'],
    ['localhost', expect.stringMatching(/^(127\.0\.0\.1|::1)$/)],
  ])('of %s is one', async (host, address) => {
    expect(await addressOf(host)).toEqual(address);
  });
});
