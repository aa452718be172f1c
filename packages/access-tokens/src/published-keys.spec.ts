import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JwksServer } from '../test/jwks-server.js';
import { AccessTokenVerifier, PUBLIC_KEY_ALGORITHMS } from './verifier.js';

const AUDIENCE = 'https://mcp.example/mcp';
const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;

let issuer: JwksServer;
let verifier: AccessTokenVerifier;

beforeEach(async () => {
  // Fakes only the clock; timers and sockets work normally.
  vi.useFakeTimers({ toFake: ['Date'] });
  issuer = await JwksServer.start();
  await issuer.useNewKey('ES256');
  verifier = new AccessTokenVerifier({
    keys: { jwksUrl: new URL(issuer.url), algorithms: PUBLIC_KEY_ALGORITHMS },
    issuer: issuer.issuer,
    audience: AUDIENCE,
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer.stop();
});

const sign = (keyId?: string) => issuer.sign('12345', AUDIENCE, keyId);
const advanceClock = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

describe('the published keys of an issuer', () => {
  it('are fetched once for many tokens, concurrent or in sequence', async () => {
    const token = await sign();
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)));
    for (let count = 0; count < 50; count++) await verifier.verify(await sign());
    expect(issuer.requests).toBe(1);
  });

  it('are replaced after a rotation: new tokens are valid, old ones are not', async () => {
    const old = await sign();
    await verifier.verify(old);
    await issuer.useNewKey('RS256');
    advanceClock(COOLDOWN_MS);
    expect(await verifier.verify(await sign())).toMatchObject({ userId: '12345' });
    await expect(verifier.verify(old)).rejects.toMatchObject({ fault: 'signature' });
    expect(issuer.requests).toBe(2);
  });

  it('expire after ten minutes, even if no token names an unknown key', async () => {
    const old = await sign();
    await verifier.verify(old);
    await issuer.useNewKey('ES256');
    advanceClock(MAX_AGE_MS);
    await expect(verifier.verify(old)).rejects.toMatchObject({ fault: 'signature' });
  });

  it('are fetched at most once per 30 s, however many tokens name unknown keys', async () => {
    await verifier.verify(await sign());
    const nameUnknownKeys = async () => {
      const tokens = Array.from({ length: 20 }, (_, index) => sign(`unknown-${index}`));
      for (const token of await Promise.all(tokens)) {
        await expect(verifier.verify(token)).rejects.toMatchObject({ fault: 'signature' });
      }
    };
    await nameUnknownKeys();
    expect(issuer.requests).toBe(1);
    advanceClock(COOLDOWN_MS);
    await nameUnknownKeys();
    expect(issuer.requests).toBe(2);
  });

  it('do not verify a token that names the current key but is signed with another key', async () => {
    const [, , signature] = (await sign()).split('.');
    await issuer.useNewKey('ES256');
    const [header, payload] = (await sign()).split('.');
    const forged = [header, payload, signature].join('.');
    await expect(verifier.verify(forged)).rejects.toMatchObject({ fault: 'signature' });
  });

  it('stay valid for ten minutes while the issuer is unavailable, and then expire', async () => {
    const token = await sign();
    await verifier.verify(token);
    await issuer.stop();
    advanceClock(MAX_AGE_MS - 1000);
    expect(await verifier.verify(token)).toMatchObject({ userId: '12345' });
    advanceClock(1000);
    await expect(verifier.verify(token)).rejects.toMatchObject({ fault: 'keys-unavailable' });
    issuer = await JwksServer.start();
  });

  it('are not fetched for 5 s after a failed fetch, and the cached keys stay valid', async () => {
    const token = await sign();
    await verifier.verify(token);
    advanceClock(COOLDOWN_MS);
    issuer.isBroken = true;
    const unknown = await sign('unknown');
    for (let count = 0; count < 20; count++) {
      await expect(verifier.verify(unknown)).rejects.toMatchObject({ fault: 'keys-unavailable' });
      expect(await verifier.verify(token)).toMatchObject({ userId: '12345' });
    }
    expect(issuer.requests).toBe(2);
  });
});
