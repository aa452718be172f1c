import {
  type AccessToken,
  AccessTokenError,
  AccessTokenVerifier,
} from '@latchkey/access-tokens/verifier';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VerifiedTokens } from './verified-tokens.js';

const MAX_TOKENS = 10_000;

const verify = vi.fn<(token: string) => Promise<AccessToken>>();
let tokens: VerifiedTokens;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  const verifier = new AccessTokenVerifier({ keys: 'none', issuer: 'issuer', audience: 'a' });
  verifier.verify = verify
    .mockReset()
    .mockImplementation(async (token) => acceptedFor(token, 3600));
  tokens = new VerifiedTokens(verifier);
});
afterEach(() => vi.useRealTimers());

const acceptedFor = (userId: string, seconds: number) => ({
  userId,
  clientId: undefined,
  scopes: [],
  expiresAt: Date.now() / 1000 + seconds,
});
const pass = (milliseconds: number) => vi.advanceTimersByTime(milliseconds);

describe('VerifiedTokens', () => {
  it('verifies a token at most once in 60 s', async () => {
    expect(await tokens.verify('a')).toMatchObject({ userId: 'a' });
    pass(59_999);
    expect(await tokens.verify('a')).toMatchObject({ userId: 'a' });
    expect(verify).toHaveBeenCalledTimes(1);
    pass(1);
    await tokens.verify('a');
    expect(verify).toHaveBeenCalledTimes(2);
  });

  it('rejects a cached token after 60 s if its signing key has been withdrawn', async () => {
    await tokens.verify('a');
    verify.mockRejectedValue(new AccessTokenError('signature'));
    pass(60_000);
    await expect(tokens.verify('a')).rejects.toMatchObject({ fault: 'signature' });
  });

  it('verifies a token again when it expires', async () => {
    verify.mockResolvedValue(acceptedFor('a', 10));
    await tokens.verify('a');
    verify.mockRejectedValue(new AccessTokenError('expired'));
    pass(9_999);
    expect(await tokens.verify('a')).toMatchObject({ userId: 'a' });
    pass(1);
    await expect(tokens.verify('a')).rejects.toMatchObject({ fault: 'expired' });
  });

  it('distinguishes two tokens that differ only by a trailing space', async () => {
    await tokens.verify('a');
    expect(await tokens.verify('a ')).toMatchObject({ userId: 'a ' });
  });

  it('does not cache a failure', async () => {
    verify.mockRejectedValueOnce(new AccessTokenError('keys-unavailable'));
    await expect(tokens.verify('a')).rejects.toMatchObject({ fault: 'keys-unavailable' });
    expect(await tokens.verify('a')).toMatchObject({ userId: 'a' });
  });

  it('evicts the oldest of 10,000 cached tokens to cache another', async () => {
    for (let count = 0; count <= MAX_TOKENS; count++) await tokens.verify(String(count));
    await tokens.verify('1');
    expect(verify).toHaveBeenCalledTimes(MAX_TOKENS + 1);
    await tokens.verify('0');
    expect(verify).toHaveBeenCalledTimes(MAX_TOKENS + 2);
  });
});
