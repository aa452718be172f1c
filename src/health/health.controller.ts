import { readVersion } from '@latchkey/environment/read-version';
import { Controller, Req, Res } from '@nestjs/common';
import { ApiTags } from '../openapi/swagger.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpFront } from '@latchkey/http-front/http-front';
import { KeyVerifier, keyIdOf } from '../api-keys/key-verifier.js';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import { Route } from '../auth/route.decorator.js';
import { SharedStore } from '../limits/shared-store.js';
import { DatabaseHealth } from './database-health.js';
import {
  type Liveness,
  type Readiness,
  livenessSchema,
  readinessSchema,
} from './health.schemas.js';

@ApiTags('health')
@Controller('health')
export class HealthController {
  private readonly version = readVersion(new URL('../../package.json', import.meta.url));

  constructor(
    private readonly database: DatabaseHealth,
    private readonly keySync: KeySync,
    private readonly keys: KeyVerifier,
    private readonly front: HttpFront,
    private readonly limits: SharedStore,
  ) {}

  @Route('GET', '', 'public', {
    summary: 'Check health',
    description:
      'Returns the same as `/api/health/ready`. If the request has a valid `X-API-Key`, the response also contains the version.',
    response: readinessSchema,
    unavailable: readinessSchema,
  })
  async getHealth(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Readiness> {
    const readiness = await this.getReadiness(reply);
    return this.hasValidKey(request) ? { ...readiness, version: this.version } : readiness;
  }

  @Route('GET', 'live', 'public', {
    summary: 'Check liveness',
    description: 'Restart the process if this route does not respond with 200.',
    response: livenessSchema,
  })
  getLiveness(): Liveness {
    return { status: 'up' };
  }

  @Route('GET', 'ready', 'public', {
    summary: 'Check readiness',
    description: 'Send requests to the process only while this route responds with 200.',
    response: readinessSchema,
    unavailable: readinessSchema,
  })
  async getReadiness(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const checks: Readiness['checks'] = {
      database: state(await this.database.isUp()),
      apiKeys: state(this.keySync.isFresh()),
      limits: this.limits.sharing === 'degraded' ? 'degraded' : 'up',
    };
    const isUp = checks.database === 'up' && checks.apiKeys === 'up';
    const status = this.front.requests.isDraining ? 'draining' : state(isUp);
    void reply.code(status === 'up' ? 200 : 503);
    return { status, checks };
  }

  /**
   * Checks the optional key. Stores the outcome in the request, so that alerts also cover keys that
   * are guessed on this route.
   */
  private hasValidKey(request: FastifyRequest): boolean {
    const key = request.headers['x-api-key'];
    if (typeof key !== 'string') return false;
    const verdict = this.keys.verify(key, request.ip);
    request.keyId = keyIdOf(verdict);
    request.keyOutcome = verdict.outcome;
    return verdict.outcome === 'admitted';
  }
}

function state(isUp: boolean): 'up' | 'down' {
  return isUp ? 'up' : 'down';
}
