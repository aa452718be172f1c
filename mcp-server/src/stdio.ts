// First, because it affects every module that is loaded after it.
import './heap-growth.js';
import { AccessTokenError, AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { EnvironmentError } from '@latchkey/environment/read-environment';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { NestFactory } from '@nestjs/core';
import { parseEnvironment } from './config/environment.js';
import { McpServerFactory } from './mcp/mcp-server.factory.js';

try {
  await serve();
} catch (error) {
  const isExplained = error instanceof EnvironmentError || error instanceof AccessTokenError;
  console.error(isExplained ? error.message : error);
  process.exit(1);
}

/** Serves the user of MCP_ACCESS_TOKEN. Stdout is the protocol's: logs are on stderr. */
async function serve(): Promise<void> {
  const environment = parseEnvironment(process.env);
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined) {
    const { startTracing } = await import('@latchkey/tracing/sdk');
    startTracing('latchkey-mcp-server');
  }
  const logger = createLogger(environment.LOG_LEVEL, 'stderr');
  const { ToolServerModule } = await import('./tool-server.module.js');
  const app = await NestFactory.createApplicationContext(ToolServerModule.logTo('stderr'), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  // Nest would end it by the signal, and the last lines of the log would be lost.
  app.enableShutdownHooks([], { useProcessExit: true });
  const verifier = app.get(AccessTokenVerifier, { strict: false });
  const factory = app.get(McpServerFactory, { strict: false });
  // At each call too, since tokens expire.
  const findUser = () => verifier.verify(environment.MCP_ACCESS_TOKEN ?? '');
  await findUser();
  // A client ends it by closing stdin, and then nothing is left to do but this.
  process.once('beforeExit', () => void app.close());
  serveStdio((connection) => factory.create(connection, findUser));
}
