import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import * as swagger from '@nestjs/swagger';
import { completeResponses, problemComponent } from './problem-responses.js';
import {
  ACCESS_TOKEN_SCHEME,
  ACCESS_TOKEN_SECURITY,
  API_KEY_SCHEME,
  API_KEY_SECURITY,
} from './security-schemes.js';
import { annotateRoutes } from './swagger.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** The OpenAPI 3.1 document of the application's routes, with every error answer that they can give. */
export function createOpenApiDocument(app: NestFastifyApplication): swagger.OpenAPIObject {
  annotateRoutes(swagger);
  const settings = new swagger.DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Latchkey')
    .setDescription('The key-guarded internal user API that MCP servers ask who they serve.')
    .setVersion('1')
    .setLicense('MIT', 'urn:spdx:MIT')
    .addServer('/', 'This server')
    .addSecurity(API_KEY_SCHEME, API_KEY_SECURITY)
    .addSecurity(ACCESS_TOKEN_SCHEME, ACCESS_TOKEN_SECURITY)
    .addTag('auth', 'Who is calling')
    .addTag('users', 'Users and their accounts')
    .addTag('keys', 'The keys that callers are issued')
    .addTag('health', 'For load balancers and orchestrators')
    .build();
  const document = swagger.SwaggerModule.createDocument(app, settings);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problemComponent },
  };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation === undefined) continue;
      // Said in so many words, so that a reader sees that a route was made public on purpose.
      operation.security ??= [];
      completeResponses(method, operation);
    }
  }
  return document;
}
