// Imported first: its V8 flag must apply while the other modules load.
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

/**
 * Serves the user that MCP_ACCESS_TOKEN identifies. Logs go to stderr, because stdout carries the
 * protocol.
 */
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
  // By default, Nest kills the process with the signal that it received, and buffered log lines
  // are lost.
  app.enableShutdownHooks([], { useProcessExit: true });
  const verifier = app.get(AccessTokenVerifier, { strict: false });
  const factory = app.get(McpServerFactory, { strict: false });
  // The token is verified at the start and again at each tool call, because it can expire.
  const findUser = () => verifier.verify(environment.MCP_ACCESS_TOKEN ?? '');
  await findUser();
  // A client closes stdin to stop the server. That empties the event loop, so `beforeExit` fires.
  process.once('beforeExit', () => void app.close());
  serveStdio((connection) => factory.create(connection, findUser));
}
