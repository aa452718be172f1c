import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { Module } from '@nestjs/common';
import { LimitsModule } from '../limits/limits.module.js';
import { GetBalanceTool } from './get-balance.tool.js';
import { GetProfileTool } from './get-profile.tool.js';
import { ToolCaller } from './tool-caller.js';
import { TOOLS, type Tool } from './tool.js';
import { UpdatePhoneTool } from './update-phone.tool.js';

/** All tools, in the order in which clients list them. */
const TOOL_CLASSES = [GetBalanceTool, GetProfileTool, UpdatePhoneTool];

@Module({
  imports: [AccessTokensModule, LimitsModule],
  providers: [
    ToolCaller,
    ...TOOL_CLASSES,
    { provide: TOOLS, inject: TOOL_CLASSES, useFactory: (...tools: Tool[]) => tools },
  ],
  exports: [ToolCaller, TOOLS],
})
export class ToolsModule {}
