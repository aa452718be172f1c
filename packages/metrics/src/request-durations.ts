import { Histogram, type Registry } from 'prom-client';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

type Observe = (seconds: number) => void;

/** How long requests took, by method, the route's pattern, and status. Callers can't make up a label. */
export class RequestDurations {
  private readonly histogram;
  // What prom-client makes anew for each observation would cost more than all the rest.
  private readonly known = new Map<string, Map<string, Map<number, Observe>>>();

  constructor(registry: Registry) {
    this.histogram = new Histogram({
      name: 'latchkey_http_request_duration_seconds',
      help: 'Duration of HTTP requests, until the answer was sent or the client left (499).',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: BUCKETS_S,
      registers: [registry],
    });
  }

  /** Counts a request that is over; `route` is the pattern, or null where no route was reached. */
  observe(method: string, route: string | null, status: number, durationMs: number): void {
    const pattern = route ?? 'none';
    const ofPattern = this.known.get(pattern)?.get(method)?.get(status);
    const observe = ofPattern ?? this.resolve(method, pattern, status);
    observe(durationMs / 1000);
  }

  private resolve(method: string, pattern: string, status: number): Observe {
    const label = METHODS.has(method) ? method : 'other';
    const series = this.histogram.labels(label, pattern, String(status));
    const observe = (seconds: number) => series.observe(seconds);
    const ofPattern = getOrAdd(this.known, pattern, () => new Map<string, Map<number, Observe>>());
    const ofMethod = getOrAdd(ofPattern, method, () => new Map<number, Observe>());
    ofMethod.set(status, observe);
    return observe;
  }
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key) ?? make();
  map.set(key, known);
  return known;
}
