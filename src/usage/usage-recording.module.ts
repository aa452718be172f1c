import { Module } from '@nestjs/common';
import { UsageRecorder } from './usage-recorder.js';

/** Counts usage: for processes that serve. */
@Module({ providers: [UsageRecorder] })
export class UsageRecordingModule {}
