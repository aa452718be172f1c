import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { areSpansEnabled } from './spans.js';

@Injectable()
class LastSpans implements OnApplicationShutdown {
  async onApplicationShutdown(): Promise<void> {
    if (!areSpansEnabled()) return;
    const { stopTracing } = await import('./sdk.js');
    await stopTracing();
  }
}

/** Sends the last spans when the application ends. */
@Module({ providers: [LastSpans] })
export class TracingModule {}
