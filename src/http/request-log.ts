import type { FastifyReply, FastifyRequest } from 'fastify';
import { type KeyVerdict, keyIdOf } from '../api-keys/key-verifier.js';
import { clientNameOf } from './client-name.js';

// nginx's status for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST = 499;

/**
 * Logs one line when the request is over, answered or not, with the route's pattern: a path may name a user. Where a key
 * was asked for, the line is the record of that attempt too.
 */
export function logWhenOver(request: FastifyRequest, reply: FastifyReply): void {
  // Fastify's own onResponse is not called for a client that leaves.
  reply.raw.once('close', () => {
    const attempt = describeAttempt(request, reply);
    const line = {
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.raw.writableFinished ? reply.raw.statusCode : CLIENT_CLOSED_REQUEST,
      durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
      keyId: null,
      ...attempt,
    };
    // Whoever has a key that was ended may have found it where it leaked.
    if (attempt?.event === 'authn_token_reuse') request.log.warn(line, 'request');
    else request.log.info(line, 'request');
  });
}

/** Names of events: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html */
type AttemptEvent = 'authn_login_success' | 'authn_login_fail' | 'authn_token_reuse' | 'authz_fail';

function describeAttempt(request: FastifyRequest, reply: FastifyReply) {
  const { keyVerdict: verdict } = request;
  // Undefined where the router has refused the URL: Fastify decorates no such request.
  if (!verdict) return undefined;
  return {
    keyId: keyIdOf(verdict),
    event: eventOf(verdict.outcome, reply.statusCode),
    outcome: verdict.outcome,
    source: request.ip,
    client: clientNameOf(request),
  };
}

function eventOf(outcome: KeyVerdict['outcome'], status: number): AttemptEvent {
  switch (outcome) {
    case 'admitted':
      return status === 403 ? 'authz_fail' : 'authn_login_success';
    case 'revoked':
    case 'expired':
      return 'authn_token_reuse';
    default:
      return 'authn_login_fail';
  }
}
