import { hash } from 'node:crypto';
import { type AccessToken, AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { Injectable } from '@nestjs/common';
import { ExpiringMap } from '../expiring-map.js';

const LIFETIME_MS = 60_000;
const MAX_TOKENS = 10_000;

/**
 * Verifies access tokens and caches each valid one for 60 s under its digest. So a cached token
 * is accepted for up to 60 s after the issuer has withdrawn the key that signed the token
 * (docs/decisions/0013-users-and-their-tokens.md).
 */
@Injectable()
export class VerifiedTokens {
  private readonly tokens = new ExpiringMap<AccessToken>(LIFETIME_MS, MAX_TOKENS);

  constructor(private readonly verifier: AccessTokenVerifier) {}

  /** @throws AccessTokenError */
  async verify(token: string): Promise<AccessToken> {
    const digest = hash('sha256', token, 'base64');
    const cached = this.tokens.get(digest);
    if (cached !== undefined && Date.now() < cached.expiresAt * 1000) return cached;
    const accessToken = await this.verifier.verify(token);
    this.tokens.set(digest, accessToken);
    return accessToken;
  }
}
