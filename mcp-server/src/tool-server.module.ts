import { ConfigModule } from '@latchkey/environment/config-module';
import { TracingModule } from '@latchkey/tracing/tracing-module';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { BackendModule } from './backend/backend.module.js';
import type { Environment } from './config/environment.js';
import { LoggingModule } from './logging/logging.module.js';
import { McpModule } from './mcp/mcp.module.js';

/** The tools and all that they need, without a way to reach them: over HTTP it is `AppModule`, over stdio `stdio.ts`. */
@Module({})
export class ToolServerModule {
  static forEnvironment(environment: Environment, logger: Logger): DynamicModule {
    return {
      module: ToolServerModule,
      imports: [
        ConfigModule.forRoot(environment),
        LoggingModule.forLogger(logger),
        BackendModule.forEnvironment(environment),
        McpModule,
        ...(environment.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? [] : [TracingModule]),
      ],
      exports: [McpModule, BackendModule],
    };
  }
}
