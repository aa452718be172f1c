import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Scope } from '../api-keys/scopes.js';

/** The access to a route. Every route must declare it: see `ClosedByDefaultGuard`. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'api-key'; readonly scope: Scope }
  | { readonly kind: 'user' };

/** Set by `@Public()`, `@RequiresApiKey(scope)` and `@RequiresUser()`: use those. */
export const DeclaredAccess = Reflector.createDecorator<Access>();

/** Returns the declaration of a handler or else its controller, cached per handler. */
export class AccessDeclarations {
  private readonly known = new WeakMap<object, Access | 'none'>();

  constructor(private readonly reflector: Reflector) {}

  of(context: ExecutionContext): Access | undefined {
    const handler = context.getHandler();
    const access = this.known.get(handler) ?? this.read(context);
    this.known.set(handler, access);
    return access === 'none' ? undefined : access;
  }

  private read(context: ExecutionContext): Access | 'none' {
    const targets = [context.getHandler(), context.getClass()];
    return this.reflector.getAllAndOverride(DeclaredAccess, targets) ?? 'none';
  }
}
