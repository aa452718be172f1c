import { type DynamicModule, Global, Module } from '@nestjs/common';
import { FinishedRequests } from './finished-requests.js';

/** Provides the `FinishedRequests` that the HTTP server announces to: it is made before any module. */
@Global()
@Module({})
export class FinishedRequestsModule {
  static forRoot(requests: FinishedRequests): DynamicModule {
    return {
      module: FinishedRequestsModule,
      providers: [{ provide: FinishedRequests, useValue: requests }],
      exports: [FinishedRequests],
    };
  }
}
