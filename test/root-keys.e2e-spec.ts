import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApp } from './support/app.js';

const ONE = '9f8e2b7c6d5a4f3e1b0c8d7a6e5f4b3c';
const TWO = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const DIGEST_OF_TWO = `sha256:${createHash('sha256').update(TWO).digest('hex')}`;
const RELOAD_BOUND_MS = 3000;

// The guard runs before any query, so these tests need no database: an admitted request gets 503.
const DATABASE_URL = 'postgresql://nobody@127.0.0.1:1/none';
const ADMITTED = 503;
const REFUSED = 401;

let folder: string;
let app: NestFastifyApplication | undefined;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'latchkey-root-keys-'))));
afterEach(async () => {
  await app?.close();
  app = undefined;
  rmSync(folder, { recursive: true });
});

async function start(variables: NodeJS.ProcessEnv): Promise<void> {
  app = await startApp({ DATABASE_URL, INTERNAL_API_KEY: '', ...variables });
}

async function statusWith(key: string): Promise<number | undefined> {
  const response = await app?.inject({
    url: '/api/internal/users/1',
    headers: { 'x-api-key': key },
  });
  return response?.statusCode;
}

async function expectSoon(key: string, status: number): Promise<void> {
  await vi.waitFor(async () => expect(await statusWith(key)).toBe(status), {
    timeout: RELOAD_BOUND_MS,
    interval: 50,
  });
}

/**
 * Writes a version of the secret as Kubernetes mounts it: `key` is a symlink to `..data/key`, and
 * `..data` is a symlink to the folder of the version.
 */
function mountSecret(version: string, text: string): string {
  mkdirSync(join(folder, version));
  writeFileSync(join(folder, version, 'key'), text);
  symlinkSync(version, join(folder, '..data_next'));
  renameSync(join(folder, '..data_next'), join(folder, '..data'));
  return join(folder, 'key');
}

describe('INTERNAL_API_KEY', () => {
  it('is the only admitted key if no other is set', async () => {
    await start({ INTERNAL_API_KEY: ONE });
    expect(await statusWith(ONE)).toBe(ADMITTED);
    expect(await statusWith(TWO)).toBe(REFUSED);
  });

  it('can be the SHA-256 digest of a key', async () => {
    await start({ INTERNAL_API_KEY: DIGEST_OF_TWO });
    expect(await statusWith(TWO)).toBe(ADMITTED);
    expect(await statusWith(DIGEST_OF_TWO)).toBe(REFUSED);
  });

  it('can be a weak key in development', async () => {
    await start({ INTERNAL_API_KEY: 'test-api-key-12345', NODE_ENV: 'development' });
    expect(await statusWith('test-api-key-12345')).toBe(ADMITTED);
  });

  it('is admitted together with INTERNAL_API_KEY_PREVIOUS', async () => {
    await start({ INTERNAL_API_KEY: ONE, INTERNAL_API_KEY_PREVIOUS: TWO });
    expect(await statusWith(ONE)).toBe(ADMITTED);
    expect(await statusWith(TWO)).toBe(ADMITTED);
  });

  it('is not admitted with an added, missing or changed character', async () => {
    await start({ INTERNAL_API_KEY: ONE });
    for (const key of [ONE.slice(1), ONE.slice(0, -1), `${ONE}0`, ONE.toUpperCase()]) {
      expect(await statusWith(key)).toBe(REFUSED);
    }
  });
});

describe('INTERNAL_API_KEY_FILE', () => {
  it('makes the server admit every key of the file, whether plaintext or digest', async () => {
    const path = join(folder, 'keys');
    writeFileSync(path, `${ONE}\n${DIGEST_OF_TWO}\n`);
    await start({ INTERNAL_API_KEY_FILE: path });
    expect(await statusWith(ONE)).toBe(ADMITTED);
    expect(await statusWith(TWO)).toBe(ADMITTED);
  });

  it('takes effect without a restart when it is rewritten', async () => {
    const path = join(folder, 'keys');
    writeFileSync(path, ONE);
    await start({ INTERNAL_API_KEY_FILE: path });
    writeFileSync(path, DIGEST_OF_TWO);
    await expectSoon(TWO, ADMITTED);
    expect(await statusWith(ONE)).toBe(REFUSED);
  });

  it('takes effect when it is rewritten during the start', async () => {
    const path = join(folder, 'keys');
    writeFileSync(path, ONE);
    const started = start({ INTERNAL_API_KEY_FILE: path });
    writeFileSync(path, DIGEST_OF_TWO);
    await started;
    await expectSoon(TWO, ADMITTED);
    await expectSoon(ONE, REFUSED);
  });

  it('takes effect when Kubernetes replaces a symlink in its path', async () => {
    symlinkSync('..data/key', join(folder, 'key'));
    const path = mountSecret('..2026_01', ONE);
    await start({ INTERNAL_API_KEY_FILE: path });
    expect(await statusWith(ONE)).toBe(ADMITTED);
    mountSecret('..2026_02', `${TWO}\n`);
    await expectSoon(TWO, ADMITTED);
    expect(await statusWith(ONE)).toBe(REFUSED);
  });

  it.each([
    ['empty', ''],
    ['half-written', 'sha256:12ab'],
    ['missing', undefined],
  ])(
    'leaves the previous keys valid while the file is %s, and takes effect once it is complete',
    async (_case, text) => {
      const path = join(folder, 'keys');
      writeFileSync(path, ONE);
      await start({ INTERNAL_API_KEY_FILE: path });
      if (text === undefined) rmSync(path);
      else writeFileSync(path, text);
      await new Promise((resolve) => setTimeout(resolve, 1200));
      expect(await statusWith(ONE)).toBe(ADMITTED);
      writeFileSync(path, TWO);
      await expectSoon(TWO, ADMITTED);
    },
  );

  it('does not admit a weak key after a reload in production', async () => {
    const path = join(folder, 'keys');
    writeFileSync(path, ONE);
    await start({ INTERNAL_API_KEY_FILE: path, NODE_ENV: 'production' });
    writeFileSync(path, `${TWO}\nweak-key\n`);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(await statusWith('weak-key')).toBe(REFUSED);
    expect(await statusWith(TWO)).toBe(REFUSED);
    expect(await statusWith(ONE)).toBe(ADMITTED);
  });
});
