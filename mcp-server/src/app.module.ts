import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { HttpFrontModule } from '@latchkey/http-front/http-front.module';
import { Module } from '@nestjs/common';
import { ProtectedResource, ProtectedResourceController } from './auth/protected-resource.js';
import { VerifiedTokens } from './auth/verified-tokens.js';
import { HealthController } from './health/health.controller.js';
import { LimitsModule } from './limits/limits.module.js';
import { LoggingModule } from './logging/logging.module.js';
import { McpController } from './mcp/mcp.controller.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { ToolServerModule } from './tool-server.module.js';

/** The tools over HTTP. Importing this file fails with a list of every problem of the environment variables. */
@Module({
  imports: [
    ToolServerModule,
    LoggingModule.to('stdout'),
    HttpFrontModule,
    AccessTokensModule,
    LimitsModule,
    MetricsModule,
  ],
  controllers: [McpController, ProtectedResourceController, HealthController],
  providers: [ProtectedResource, VerifiedTokens],
})
export class AppModule {}
