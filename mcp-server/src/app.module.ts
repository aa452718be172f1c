import { HttpFrontModule } from '@latchkey/http-front/http-front';
import { Module } from '@nestjs/common';
import { ProtectedResource, ProtectedResourceController } from './auth/protected-resource.js';
import { VerifiedTokens } from './auth/verified-tokens.js';
import { HealthController } from './health/health.controller.js';
import { McpController } from './mcp/mcp.controller.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { ToolServerModule } from './tool-server.module.js';

/** The MCP server over HTTP. */
@Module({
  imports: [ToolServerModule.logTo('stdout'), HttpFrontModule, MetricsModule],
  controllers: [McpController, ProtectedResourceController, HealthController],
  providers: [ProtectedResource, VerifiedTokens],
})
export class AppModule {}
