import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { KeyVerifier, keyIdOf } from '../api-keys/key-verifier.js';
import type { Principal } from '../api-keys/principal.js';
import { ProblemException } from '../problems/problem.js';
import { KeyConcurrencyLimit } from '../limits/key-concurrency-limit.js';
import { KeyRateLimit } from '../limits/key-rate-limit.js';
import { WrongKeyLimit } from '../limits/wrong-key-limit.js';
import { accessOf } from './closed-by-default.guard.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller; null on routes that require no key, and until the key has been checked. */
    principal: Principal | null;
  }
}

/** A request that `ApiKeyGuard` has admitted. */
export type KeyedRequest = FastifyRequest & { readonly principal: Principal };

/**
 * Admits a request whose `X-API-Key` is valid and has the declared scope, and sets
 * `request.principal`. Refuses an invalid key with 401, a key without the scope with 403, a key
 * over a limit with 429, and an issued key with 503 while the key cache is out of date.
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: KeyVerifier,
    private readonly concurrency: KeyConcurrencyLimit,
    private readonly rateLimit: KeyRateLimit,
    private readonly failures: WrongKeyLimit,
  ) {}

  // Returns a promise only if it waits for Redis: a promise takes longer than the check of a key.
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const header = request.headers['x-api-key'];
    // Node joins repeated headers with a comma, which no key contains.
    const verdict = this.keys.verify(typeof header === 'string' ? header : '', request.ip);
    request.keyId = keyIdOf(verdict);
    request.keyOutcome = verdict.outcome;
    if (verdict.outcome === 'unverifiable') throw new ProblemException('KEYS_UNAVAILABLE');
    if (verdict.outcome !== 'admitted') {
      this.failures.count(request.ip);
      throw new ProblemException('INVALID_API_KEY');
    }
    const { principal } = verdict;
    request.principal = principal;
    const reply = http.getResponse<FastifyReply>();
    announceRetirement(principal, reply);
    this.concurrency.enter(principal, reply.raw);
    const counted = this.rateLimit.count(principal, reply);
    if (counted === undefined) return this.authorize(principal, context);
    return counted.then(() => this.authorize(principal, context));
  }

  private authorize({ scopes }: Principal, context: ExecutionContext): true {
    const access = accessOf(context, this.reflector);
    // This guard was used without `@RequiresApiKey`. Refuse, because no scope is declared.
    if (access?.kind !== 'api-key') throw new ProblemException('ACCESS_NOT_DECLARED');
    if (scopes.includes(access.scope)) return true;
    throw new ProblemException('INSUFFICIENT_SCOPE', { requiredScope: access.scope });
  }
}

/**
 * For a key with a successor, sets `Deprecation` (RFC 9745) to the time of its rotation, and
 * `Sunset` (RFC 8594) to the end of its validity. That end is unknown for root keys.
 */
function announceRetirement({ deprecatedSince, sunsetAt }: Principal, reply: FastifyReply): void {
  if (deprecatedSince !== undefined) {
    void reply.header('deprecation', `@${Math.floor(deprecatedSince / 1000)}`);
  }
  if (sunsetAt !== undefined) void reply.header('sunset', new Date(sunsetAt).toUTCString());
}
