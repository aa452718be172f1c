import { Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { describe, expect, it, vi } from 'vitest';
import { type Environment, parseEnvironment } from '../../config/environment.js';
import { PooledSessionError } from '../../prisma/connection-error.js';
import { DatabaseUrls } from '../../prisma/database-urls.js';
import { IssuedKeyCache } from '../issued-key-cache.js';
import { RootKeyStore } from '../root-key-store.js';
import { KeySync } from './key-sync.js';
import { MessageAuthenticator } from './message-authenticator.js';

/** Creates a `KeySync` whose attempts to connect fail with `error`. */
function createKeySync(error: Error): KeySync {
  const config = new ConfigService<Environment, true>(
    parseEnvironment({
      NODE_ENV: 'test',
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      INTERNAL_API_KEY: '942b6a8c0e1d3f57',
    }),
  );
  const urls = new DatabaseUrls(config);
  vi.spyOn(urls, 'read').mockImplementation(() => {
    throw error;
  });
  return new KeySync(
    new IssuedKeyCache(),
    new MessageAuthenticator(new RootKeyStore(config)),
    urls,
    config,
  );
}

describe('KeySync', () => {
  it('refuses to start behind a transaction pooler', async () => {
    const error = new PooledSessionError('DATABASE_URL');
    await expect(createKeySync(error).onApplicationBootstrap()).rejects.toBe(error);
  });

  it.each([
    ['the cause', new Error('unexpected'), 'unexpected'],
    ['the remedy', Object.assign(new Error('no relation'), { code: '42P01' }), 'migrate deploy'],
  ])('starts without a usable database, and logs %s', async (_, error, logged) => {
    const log = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const keySync = createKeySync(error);
    await keySync.onApplicationBootstrap();
    expect(keySync.isFresh()).toBe(false);
    expect(log).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(logged));
    await keySync.onApplicationShutdown();
    log.mockRestore();
  });
});
