import { Module } from '@nestjs/common';
import { ToolsModule } from '../tools/tools.module.js';
import { McpServerFactory } from './mcp-server.factory.js';

@Module({ imports: [ToolsModule], providers: [McpServerFactory], exports: [McpServerFactory] })
export class McpModule {}
