import { HttpFront } from '@latchkey/http-front/http-front';
import type { HttpService } from '@nestjs/axios';
import { Controller, Get, Res } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply } from 'fastify';
import { createBackendHttp } from '../backend/backend-http.js';
import type { Environment } from '../config/environment.js';

// Anybody can call the public route, so this server asks the backend at most once per 250 ms.
const FRESH_MS = 250;
// A load balancer's probe of this server usually times out after 1 s. The probe must succeed even
// while the backend hangs.
const TIMEOUT_MS = 400;

interface Readiness {
  readonly status: 'up' | 'draining';
  readonly checks: { readonly backend: 'up' | 'down' };
}

@Controller('health')
export class HealthController {
  private readonly http: HttpService;
  private backend: Promise<'up' | 'down'> | undefined;
  private askedAt = 0;

  constructor(
    config: ConfigService<Environment, true>,
    private readonly front: HttpFront,
  ) {
    this.http = createBackendHttp(config.get('backend', { infer: true }));
  }

  // Responds with 200 even if the backend is down. After 503, the load balancer would take this
  // server out of rotation, and clients would not get the clear errors of the tools.
  @Get(['', 'ready'])
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const checks = { backend: await this.askBackend() };
    if (!this.front.requests.isDraining) return { status: 'up', checks };
    void reply.code(503);
    return { status: 'draining', checks };
  }

  @Get('live')
  live(): { status: 'up' } {
    return { status: 'up' };
  }

  /** Asks without an API key whether the backend is ready. */
  private askBackend(): Promise<'up' | 'down'> {
    if (this.backend === undefined || performance.now() - this.askedAt > FRESH_MS) {
      this.askedAt = performance.now();
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      this.backend = this.http.axiosRef.get('/api/health/ready', { signal }).then(
        ({ status }) => (status === 200 ? 'up' : 'down'),
        () => 'down',
      );
    }
    return this.backend;
  }
}
