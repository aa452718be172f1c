import type { DocumentBuilder } from '@nestjs/swagger';

export const API_KEY_SCHEME = 'apiKey';

export const SCOPE_EXTENSION = 'x-required-scope';

export const API_KEY_SECURITY: Parameters<DocumentBuilder['addSecurity']>[1] = {
  type: 'apiKey',
  in: 'header',
  name: 'X-API-Key',
  description: 'The caller’s key. It is never accepted in the URL.',
};
