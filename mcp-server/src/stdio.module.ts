import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { Module } from '@nestjs/common';
import { LoggingModule } from './logging/logging.module.js';
import { ToolServerModule } from './tool-server.module.js';

/** The tools over stdio. Stdout belongs to the protocol, so the log goes to stderr. */
@Module({ imports: [ToolServerModule, LoggingModule.to('stderr'), AccessTokensModule] })
export class StdioModule {}
