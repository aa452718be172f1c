import { AccessTokensModule } from '@latchkey/access-tokens/access-tokens-module';
import { Module } from '@nestjs/common';
import { LimitsModule } from '../limits/limits.module.js';
import { FinishedToolCalls } from './finished-tool-calls.js';
import { GetBalanceTool } from './get-balance.tool.js';
import { GetProfileTool } from './get-profile.tool.js';
import { ToolCaller } from './tool-caller.js';
import { UpdatePhoneTool } from './update-phone.tool.js';

const TOOLS = [GetBalanceTool, GetProfileTool, UpdatePhoneTool];

@Module({
  imports: [AccessTokensModule, LimitsModule],
  providers: [FinishedToolCalls, ToolCaller, ...TOOLS],
  exports: [FinishedToolCalls, ToolCaller, ...TOOLS],
})
export class ToolsModule {}
