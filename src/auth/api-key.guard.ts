import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { RootKeyRing } from '../api-keys/root-key-ring.js';
import { SCOPES, type Scope } from '../api-keys/scopes.js';
import { ProblemException } from '../http/problem.js';
import { DeclaredAccess } from './declared-access.js';
import type { Principal } from './principal.js';

/**
 * Admits a request whose `X-API-Key` is good and holds the scope that the route declares, and sets
 * `request.principal`. Refuses everything else: 401 whatever is wrong with the key, 403 for the scope.
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly rootKeys: RootKeyRing,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = this.authenticate(request);
    if (principal === undefined) throw new ProblemException('INVALID_API_KEY');
    request.principal = principal;
    const requiredScope = this.requiredScope(context);
    if (!principal.scopes.includes(requiredScope)) {
      throw new ProblemException('INSUFFICIENT_SCOPE', { requiredScope });
    }
    return true;
  }

  private authenticate(request: FastifyRequest): Principal | undefined {
    const header = request.headers['x-api-key'];
    // An absent key costs the same digest and comparison as a wrong one. Repeated headers arrive joined by a
    // comma, which no key contains, so they never match.
    const key = this.rootKeys.match(typeof header === 'string' ? header : '');
    return key && { keyId: key.id, scopes: SCOPES };
  }

  private requiredScope(context: ExecutionContext): Scope {
    const access = this.reflector.getAllAndOverride(DeclaredAccess, [
      context.getHandler(),
      context.getClass(),
    ]);
    // A guard on a route that another declaration has opened or left undeclared is a mistake: stay closed.
    if (access?.kind !== 'api-key') throw new ProblemException('ACCESS_NOT_DECLARED');
    return access.scope;
  }
}
