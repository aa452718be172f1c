import { HttpFrontModule } from '@latchkey/http-front/http-front';
import { Module } from '@nestjs/common';
import { ProtectedResource, ProtectedResourceController } from './auth/protected-resource.js';
import { VerifiedTokens } from './auth/verified-tokens.js';
import { HealthController } from './health/health.controller.js';
import { McpController } from './mcp/mcp.controller.js';
import { ToolServerModule } from './tool-server.module.js';

// Loaded only where it is used, since it delays the start.
const metricsModules = process.env.MCP_METRICS_PORT
  ? [(await import('./metrics/metrics.module.js')).MetricsModule]
  : [];

/** The tools over HTTP. */
@Module({
  imports: [ToolServerModule.logTo('stdout'), HttpFrontModule, ...metricsModules],
  controllers: [McpController, ProtectedResourceController, HealthController],
  providers: [ProtectedResource, VerifiedTokens],
})
export class AppModule {}
