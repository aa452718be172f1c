import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';

@Injectable()
class LastSpans implements OnApplicationShutdown {
  async onApplicationShutdown(): Promise<void> {
    const { stopTracing } = await import('./sdk.js');
    await stopTracing();
  }
}

/** Sends the last spans when the application ends; to be imported only where traces are collected. */
@Module({ providers: [LastSpans] })
export class TracingModule {}
