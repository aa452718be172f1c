import { Histogram, type Registry } from 'prom-client';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Request durations by method, route and status. Requests cannot create arbitrary label values. */
export class RequestDurations {
  private readonly histogram: Histogram<'method' | 'route' | 'status'>;

  constructor(registry: Registry) {
    this.histogram = new Histogram({
      name: 'latchkey_http_request_duration_seconds',
      help: 'Duration of HTTP requests until the response was sent or the client disconnected.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    });
  }

  /** @param route the route's pattern; null if none matched */
  seriesOf(method: string, route: string | null, status: number) {
    const label = METHODS.has(method) ? method : 'other';
    return this.histogram.labels(label, route ?? 'none', String(status));
  }
}
