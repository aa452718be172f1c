import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Scope } from '../api-keys/scopes.js';

/** The access policy that every route must declare: see `ClosedByDefaultGuard`. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'api-key'; readonly scope: Scope }
  | { readonly kind: 'user' };

/** Marks a controller or handler; use `@Public()`, `@RequiresApiKey(scope)` or `@RequiresUser()`, which set it. */
export const DeclaredAccess = Reflector.createDecorator<Access>();

/** The declaration of the route's handler or of its controller. Looked up once per handler: a look-up takes as long as a guard. */
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
