import { Controller, Get } from '@nestjs/common';
import { BackendHealth } from '../backend/backend-health.js';

interface Readiness {
  readonly status: 'up';
  readonly checks: { readonly backend: 'up' | 'down' };
}

@Controller('health')
export class HealthController {
  constructor(private readonly backend: BackendHealth) {}

  @Get()
  async health(): Promise<Readiness> {
    return this.ready();
  }

  @Get('live')
  live(): { status: 'up' } {
    return { status: 'up' };
  }

  // 200 without the backend too: tools then answer with a clean error, which a client can't get from a server that
  // the load balancer has taken away.
  @Get('ready')
  async ready(): Promise<Readiness> {
    return { status: 'up', checks: { backend: (await this.backend.isUp()) ? 'up' : 'down' } };
  }
}
