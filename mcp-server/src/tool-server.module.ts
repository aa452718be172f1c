import { TracingModule } from '@latchkey/tracing/tracing-module';
import { Module } from '@nestjs/common';
import { BackendModule } from './backend/backend.module.js';
import { ConfigModule } from './config/config.module.js';
import { McpServerFactory } from './mcp/mcp-server.factory.js';
import { ToolsModule } from './tools/tools.module.js';

/** The tools and everything they need but a transport and a log: `AppModule` adds HTTP, `stdio.ts` stdio. */
@Module({
  imports: [ConfigModule, BackendModule, ToolsModule, TracingModule],
  providers: [McpServerFactory],
  exports: [McpServerFactory, BackendModule],
})
export class ToolServerModule {}
