import { Module } from '@nestjs/common';
import { LastUseRecorder } from './last-use-recorder.js';
import { UsageRecorder } from './usage-recorder.js';

/** Writes down how keys are used: for processes that serve. */
@Module({ providers: [UsageRecorder, LastUseRecorder] })
export class UsageRecordingModule {}
