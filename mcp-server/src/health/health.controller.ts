import { HttpFront } from '@latchkey/http-front/http-front';
import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { BackendHealth } from '../backend/backend-health.js';

interface Readiness {
  readonly status: 'up' | 'draining';
  readonly checks: { readonly backend: 'up' | 'down' };
}

@Controller('health')
export class HealthController {
  constructor(
    private readonly backend: BackendHealth,
    private readonly front: HttpFront,
  ) {}

  @Get()
  async health(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    return this.ready(reply);
  }

  @Get('live')
  live(): { status: 'up' } {
    return { status: 'up' };
  }

  // 200 without the backend too: tools then answer with a clean error, which a client can't get
  // from a server that the load balancer has taken away.
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const checks = { backend: (await this.backend.isUp()) ? 'up' : 'down' } as const;
    if (!this.front.requests.isDraining) return { status: 'up', checks };
    void reply.code(503);
    return { status: 'draining', checks };
  }
}
