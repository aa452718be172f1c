import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { validatedConfig } from '@latchkey/environment/config-module';
import { type LogTarget, createLogger } from '@latchkey/logging/logger';
import { TracingModule } from '@latchkey/tracing/spans';
import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { RateLimit } from './auth/rate-limit.js';
import { TokenFailures } from './auth/token-failures.js';
import { BackendClient } from './backend/backend-client.js';
import { type Environment, parseEnvironment } from './config/environment.js';
import { McpServerFactory } from './mcp/mcp-server.factory.js';
import { PROCESS_LOGGER } from './process-logger.js';
import { getBalance } from './tools/get-balance.tool.js';
import { getProfile } from './tools/get-profile.tool.js';
import { ToolCaller } from './tools/tool-caller.js';
import { TOOLS } from './tools/tool.js';
import { updatePhone } from './tools/update-phone.tool.js';

/** All tools, in the order in which clients list them. */
const ALL_TOOLS = [getBalance, getProfile, updatePhone];

const configModule = await validatedConfig(parseEnvironment);

/**
 * Provides the tools without a transport: `AppModule` adds HTTP, `stdio.ts` adds stdio.
 * If environment variables are invalid, importing this file throws an error that lists them all.
 */
@Module({})
export class ToolServerModule {
  static logTo(target: LogTarget): DynamicModule {
    const providers = [
      {
        provide: PROCESS_LOGGER,
        inject: [ConfigService],
        useFactory: (config: ConfigService<Environment, true>) =>
          createLogger(config.get('LOG_LEVEL', { infer: true }), target),
      },
      {
        provide: BackendClient,
        inject: [ConfigService],
        useFactory: (config: ConfigService<Environment, true>) =>
          new BackendClient(config.get('backend', { infer: true })),
      },
      {
        provide: TOOLS,
        inject: [BackendClient],
        useFactory: (backend: BackendClient) => ALL_TOOLS.map((create) => create(backend)),
      },
      RateLimit,
      TokenFailures,
      ToolCaller,
      McpServerFactory,
    ];
    return {
      module: ToolServerModule,
      global: true,
      imports: [configModule, AccessTokensModule, TracingModule],
      providers,
      exports: [AccessTokensModule, ...providers],
    };
  }
}
