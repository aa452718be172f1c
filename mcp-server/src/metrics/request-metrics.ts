import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { RequestDurations } from '@latchkey/metrics/request-durations';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';

/** Counts the HTTP requests of clients. */
@Injectable()
export class RequestMetrics implements OnModuleInit {
  private readonly durations: RequestDurations;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    this.durations = new RequestDurations(registry);
  }

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    fastify.addHook('onResponse', ({ method, routeOptions }, reply, done) => {
      const { url = null } = routeOptions;
      const series = this.durations.seriesOf(method, url, reply.statusCode);
      series.observe(reply.elapsedTime / 1000);
      done();
    });
  }
}
