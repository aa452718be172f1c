import { UseGuards, applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '../openapi/swagger.js';
import { ACCESS_TOKEN_SCHEME } from '../openapi/security-schemes.js';
import { DeclaredAccess } from './declared-access.js';
import { UserGuard } from './user.guard.js';

/** Opens a route to users with an access token, and says so in the OpenAPI document. */
export const RequiresUser = () =>
  applyDecorators(
    DeclaredAccess({ kind: 'user' }),
    UseGuards(UserGuard),
    ApiSecurity(ACCESS_TOKEN_SCHEME),
  );
