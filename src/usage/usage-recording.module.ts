import { Module } from '@nestjs/common';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { UsageRecorder } from './usage-recorder.js';

/** Records how keys are used. Only the server imports it: the command line handles no requests. */
@Module({ imports: [KeyVerificationModule], providers: [UsageRecorder] })
export class UsageRecordingModule {}
