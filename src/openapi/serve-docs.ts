import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { createOpenApiDocument } from './openapi-document.js';

/** Serves the OpenAPI document at `/api/openapi.json` and Swagger UI at `/api/docs`, without a key. */
export function serveDocs(app: NestFastifyApplication): void {
  // For the one page of HTML here. It is served over plain HTTP, so its scripts can't be upgraded.
  app.useSecurityHeaders({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    strictTransportSecurity: false,
  });
  SwaggerModule.setup('api/docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'api/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Latchkey API',
  });
}
