import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import * as swagger from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { addExamples } from './examples.js';
import { ACCESS_TOKEN_SCHEME, API_KEY_SCHEME } from './operation-metadata.js';
import { type Operation, addProblems, problemComponent } from './problem-responses.js';
import { type Schemas, resolve, toOpenApiSchema } from './schema.js';
import { annotateRoutes } from './swagger.js';

// Swagger UI uses inline styles, and icons from data: URLs.
const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/**
 * Serves the OpenAPI document at `/api/openapi.json` and Swagger UI at `/api/docs`, without a key.
 */
export function serveDocs(app: NestFastifyApplication): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/api/docs'))
      void reply.header('content-security-policy', PAGE_POLICY);
    done();
  });
  swagger.SwaggerModule.setup('api/docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'api/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Latchkey API',
  });
}

/** Creates the OpenAPI 3.1 document of the application's routes and problems. */
export function createOpenApiDocument(app: NestFastifyApplication): swagger.OpenAPIObject {
  annotateRoutes(swagger);
  const settings = new swagger.DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Latchkey')
    .setDescription('The internal user API for MCP servers. It requires an API key.')
    .setVersion('1')
    .addServer('/', 'This server')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, API_KEY_SCHEME)
    .addBearerAuth({ type: 'http', bearerFormat: 'JWT' }, ACCESS_TOKEN_SCHEME)
    .addTag('auth', 'The current user')
    .addTag('users', 'Users and their accounts')
    .addTag('keys', 'API keys')
    .addTag('audit', 'The audit trail')
    .addTag('health', 'Health checks for load balancers and orchestrators')
    .build();
  const document = swagger.SwaggerModule.createDocument(app, settings, {
    operationIdFactory: (_controller, handler) => handler,
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? toOpenApiSchema(schema, schemaType) : undefined,
  });
  // `setLicense` accepts no identifier, and openapi-generator rejects URLs such as urn:spdx:MIT.
  Object.assign(document.info, { license: { name: 'MIT', identifier: 'MIT' } });
  const schemas = { ...document.components?.schemas, Problem: problemComponent };
  document.components = { ...document.components, schemas };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation === undefined) continue;
      // An empty list states that the route is public on purpose.
      operation.security ??= [];
      describeParameters(operation, schemas);
      addProblems(method, operation);
      addExamples(operation, schemas);
    }
  }
  return document;
}

function describeParameters({ parameters = [], requestBody }: Operation, schemas: Schemas): void {
  for (const parameter of parameters) {
    if ('$ref' in parameter || parameter.schema === undefined) continue;
    // List items are separated by commas, because the server refuses repeated parameters.
    const { type } = resolve(parameter.schema, schemas);
    if (type === 'array') Object.assign(parameter, { style: 'form', explode: false });
  }
  if (requestBody === undefined || '$ref' in requestBody) return;
  const { schema = {} } = requestBody.content['application/json'] ?? {};
  requestBody.required = resolve(schema, schemas).default === undefined;
}
