import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { DrainingModule } from '@latchkey/shutdown/draining-module';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { ProtectedResource } from './auth/protected-resource.js';
import { ProtectedResourceController } from './auth/protected-resource.controller.js';
import type { Environment } from './config/environment.js';
import { HealthController } from './health/health.controller.js';
import { LimitsModule } from './limits/limits.module.js';
import { McpController } from './mcp/mcp.controller.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { ToolServerModule } from './tool-server.module.js';

/** The tools over HTTP. */
@Module({})
export class AppModule {
  static forEnvironment(environment: Environment, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        DrainingModule,
        AccessTokensModule,
        LimitsModule,
        MetricsModule.forEnvironment(environment),
        ToolServerModule.forEnvironment(environment, logger),
      ],
      controllers: [McpController, ProtectedResourceController, HealthController],
      providers: [ProtectedResource],
    };
  }
}
