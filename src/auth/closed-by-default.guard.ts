import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Scope } from '../api-keys/scopes.js';
import { ProblemException } from '../problems/problem.js';

type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'api-key'; readonly scope: Scope }
  | { readonly kind: 'user' };

/** A route's access. Set it with `@Public()`, `@RequiresApiKey(scope)` or `@RequiresUser()`. */
export const DeclaredAccess = Reflector.createDecorator<Access>();

/** Returns the access that is declared on a handler, or else on the handler's controller. */
export function accessOf(context: ExecutionContext, reflector: Reflector): Access | undefined {
  return reflector.getAllAndOverride(DeclaredAccess, [context.getHandler(), context.getClass()]);
}

/** Runs before every other guard, and refuses routes without an access declaration. */
@Injectable()
export class ClosedByDefaultGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (accessOf(context, this.reflector) !== undefined) return true;
    throw new ProblemException('ACCESS_NOT_DECLARED');
  }
}
