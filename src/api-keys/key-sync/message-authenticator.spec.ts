import { ConfigService } from '@nestjs/config';
import { describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../config/environment.js';
import { RootKeyStore } from '../root-key-store.js';
import { MessageAuthenticator } from './message-authenticator.js';

const [OLD, NEW, OTHER] = ['0a1c2e4b6d8f7053', '942b6a8c0e1d3f57', 'f1b7c2d94e8a4a0f'];

function authenticator(key: string, previous?: string): MessageAuthenticator {
  const environment = parseEnvironment({
    NODE_ENV: 'test',
    DATABASE_URL: 'postgresql://127.0.0.1/latchkey',
    INTERNAL_API_KEY: key,
    INTERNAL_API_KEY_PREVIOUS: previous,
  });
  return new MessageAuthenticator(new RootKeyStore(new ConfigService(environment)));
}

describe('a message', () => {
  it('is authentic to every process that shares a root key with the sender', () => {
    const signature = authenticator(NEW, OLD).sign('message');
    expect(authenticator(NEW).isAuthentic('message', signature)).toBe(true);
    expect(authenticator(OLD).isAuthentic('message', signature)).toBe(true);
    expect(authenticator(OTHER, OLD).isAuthentic('message', signature)).toBe(true);
    expect(authenticator(OTHER).isAuthentic('message', signature)).toBe(false);
  });

  it('is not authentic with the signature of another message', () => {
    const sender = authenticator(NEW);
    expect(sender.isAuthentic('another', sender.sign('message'))).toBe(false);
  });

  it.each(['', ',', 'AAAA', 'a'.repeat(43), `${','.repeat(100)}x`])(
    'is not authentic with the signature %j',
    (signature) => {
      expect(authenticator(NEW).isAuthentic('message', signature)).toBe(false);
    },
  );

  it('has a signature with one HMAC per root key, without spaces', () => {
    expect(authenticator(NEW, OLD).sign('message')).toMatch(/^[\w-]{43},[\w-]{43}$/);
  });
});
