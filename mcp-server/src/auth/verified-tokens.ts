import { hash } from 'node:crypto';
import { type AccessToken, AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { Injectable } from '@nestjs/common';

const LIFETIME_MS = 60_000;
const MAX_TOKENS = 10_000;

interface VerifiedToken {
  readonly accessToken: AccessToken;
  readonly staleAt: number;
}

/**
 * Verifies access tokens and caches good ones for a minute by their digest, since a client sends
 * the same token with each request. So a key that its issuer withdraws is accepted for a minute
 * longer. Failures are not cached, and no token is accepted after it has expired.
 */
@Injectable()
export class VerifiedTokens {
  /** By digest, oldest first. */
  private readonly tokens = new Map<string, VerifiedToken>();

  constructor(private readonly verifier: AccessTokenVerifier) {}

  /** @throws AccessTokenError */
  async verify(token: string): Promise<AccessToken> {
    const digest = hash('sha256', token, 'base64');
    const cached = this.tokens.get(digest);
    if (cached !== undefined && Date.now() < cached.staleAt) return cached.accessToken;
    this.tokens.delete(digest);
    const accessToken = await this.verifier.verify(token);
    const staleAt = Math.min(Date.now() + LIFETIME_MS, accessToken.expiresAt * 1000);
    this.tokens.set(digest, { accessToken, staleAt });
    if (this.tokens.size > MAX_TOKENS) this.evictOldest();
    return accessToken;
  }

  private evictOldest(): void {
    const [oldest] = this.tokens.keys();
    if (oldest !== undefined) this.tokens.delete(oldest);
  }
}
