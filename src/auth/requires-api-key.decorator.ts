import { UseGuards, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '../openapi/swagger.js';
import type { Scope } from '../api-keys/scopes.js';
import { API_KEY_SCHEME, SCOPE_EXTENSION } from '../openapi/security-schemes.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { DeclaredAccess } from './declared-access.js';

/** Opens a route to callers whose `X-API-Key` holds the scope, and says so in the OpenAPI document. */
export const RequiresApiKey = (scope: Scope) =>
  applyDecorators(
    DeclaredAccess({ kind: 'api-key', scope }),
    UseGuards(ApiKeyGuard),
    ApiSecurity(API_KEY_SCHEME),
    ApiExtension(SCOPE_EXTENSION, scope),
  );
