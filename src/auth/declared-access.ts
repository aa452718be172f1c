import { Reflector } from '@nestjs/core';
import type { Scope } from '../api-keys/scopes.js';

/** Who may call a route. Every route must say so: see `ClosedByDefaultGuard`. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'api-key'; readonly scope: Scope }
  | { readonly kind: 'user' };

/** Marks a controller or handler; use `@Public()`, `@RequiresApiKey(scope)` or `@RequiresUser()`, which set it. */
export const DeclaredAccess = Reflector.createDecorator<Access>();
