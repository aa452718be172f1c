import { TracingModule } from '@latchkey/tracing/tracing-module';
import { Module } from '@nestjs/common';
import { BackendModule } from './backend/backend.module.js';
import { ConfigModule } from './config/config.module.js';
import { McpModule } from './mcp/mcp.module.js';

/** The tools and everything they need but a transport and a log: `AppModule` adds HTTP, `stdio.ts` stdio. */
@Module({
  imports: [ConfigModule, BackendModule, McpModule, TracingModule],
  exports: [McpModule, BackendModule],
})
export class ToolServerModule {}
