import { Global, Module } from '@nestjs/common';
import { FinishedRequests } from './finished-requests.js';

/** Provides `FinishedRequests` to every module. */
@Global()
@Module({ providers: [FinishedRequests], exports: [FinishedRequests] })
export class FinishedRequestsModule {}
