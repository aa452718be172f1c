import type { DocumentBuilder } from '@nestjs/swagger';

type SecurityScheme = Parameters<DocumentBuilder['addSecurity']>[1];

export const API_KEY_SCHEME = 'apiKey';

export const ACCESS_TOKEN_SCHEME = 'accessToken';

export const SCOPE_EXTENSION = 'x-required-scope';

export const API_KEY_SECURITY: SecurityScheme = {
  type: 'apiKey',
  in: 'header',
  name: 'X-API-Key',
  description: 'The caller’s key. It is never accepted in the URL.',
};

export const ACCESS_TOKEN_SECURITY: SecurityScheme = {
  type: 'http',
  scheme: 'bearer',
  bearerFormat: 'JWT',
  description: 'The access token of a user, made for this backend.',
};
