import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionLimit, limitConnections, resolveAddress } from './connections.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-limits-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('connectionLimit', () => {
  it.each([
    ['1024', 924],
    ['1048576', 10_000],
    ['unlimited', 10_000],
    ['50', 1],
  ])('for a limit of %s open files, returns %i connections', (soft, limit) => {
    const file = join(folder, soft);
    writeFileSync(
      file,
      `Limit  Soft Limit\nMax open files            ${soft}         524288   files\n`,
    );
    expect(connectionLimit(file)).toBe(limit);
  });

  it('returns 10,000 connections if the system has no limit', () => {
    expect(connectionLimit(join(folder, 'none'))).toBe(10_000);
  });
});

describe('limitConnections', () => {
  /** Sends 100 requests, resets each connection, and returns the addresses that the server sees. */
  async function addressesOfResets(prepare: typeof limitConnections): Promise<unknown[]> {
    const addresses: unknown[] = [];
    const server = createServer(({ socket }) => void addresses.push(socket.remoteAddress));
    prepare(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    for (let sent = 0; sent < 100; sent++) {
      const client = connect(port, '127.0.0.1');
      await once(client, 'connect');
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n', () => client.resetAndDestroy());
      await once(client, 'close');
    }
    server.close();
    server.closeAllConnections();
    return addresses;
  }

  it('closes a connection that has no client address', async () => {
    expect(await addressesOfResets(limitConnections)).not.toContain(undefined);
  });

  it('is necessary: without it, some requests have no client address (control)', async () => {
    expect(await addressesOfResets(() => undefined)).toContain(undefined);
  });
});

describe('resolveAddress', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::1'],
    ['localhost', expect.stringMatching(/^(127\.0\.0\.1|::1)$/)],
  ])('resolves %s to one address', async (host, address) => {
    expect(await resolveAddress(host)).toEqual(address);
  });
});
