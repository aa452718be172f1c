import { UseGuards, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '../openapi/swagger.js';
import type { Scope } from '../api-keys/scopes.js';
import {
  ACCESS_TOKEN_SCHEME,
  API_KEY_SCHEME,
  SCOPE_EXTENSION,
} from '../openapi/operation-metadata.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { DeclaredAccess } from './closed-by-default.guard.js';
import { UserGuard } from './user.guard.js';

export const Public = () => DeclaredAccess({ kind: 'public' });

export const RequiresApiKey = (scope: Scope) =>
  applyDecorators(
    DeclaredAccess({ kind: 'api-key', scope }),
    UseGuards(ApiKeyGuard),
    ApiSecurity(API_KEY_SCHEME),
    ApiExtension(SCOPE_EXTENSION, scope),
  );

export const RequiresUser = () =>
  applyDecorators(
    DeclaredAccess({ kind: 'user' }),
    UseGuards(UserGuard),
    ApiSecurity(ACCESS_TOKEN_SCHEME),
  );
