import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { HttpService } from '@nestjs/axios';
import type { Environment } from '../config/environment.js';
import { createBackendHttp } from './backend-http.js';

// The route is public: the backend is asked at most once per 250 ms.
const FRESH_MS = 250;
// Well below the 1 s that a load balancer waits: a backend that hangs must not take this server out
// of rotation.
const TIMEOUT_MS = 400;

/** Whether the backend says that it is ready. Asks without an API key. */
@Injectable()
export class BackendHealth {
  private readonly http: HttpService;
  private latest: Promise<boolean> | undefined;
  private askedAt = 0;

  constructor(config: ConfigService<Environment, true>) {
    const url = config.get('BACKEND_API_URL', { infer: true });
    const connectTimeoutMs = config.get('BACKEND_CONNECT_TIMEOUT_MS', { infer: true });
    this.http = createBackendHttp(url, connectTimeoutMs);
  }

  async isUp(): Promise<boolean> {
    if (this.latest === undefined || performance.now() - this.askedAt > FRESH_MS) {
      this.askedAt = performance.now();
      this.latest = this.ask();
    }
    return this.latest;
  }

  private async ask(): Promise<boolean> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return this.http.axiosRef.get('/api/health/ready', { signal }).then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}
