import { Histogram, type Registry } from 'prom-client';

const NAME = 'latchkey_http_request_duration_seconds';
const HELP = 'Duration of HTTP requests, until the answer was sent or the client left (499).';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The requests of one method, route and status. */
class Series {
  private readonly counts = new Float64Array(BUCKETS_S.length + 1);
  private sum = 0;

  constructor(private readonly labels: Readonly<Record<'method' | 'route' | 'status', string>>) {}

  /** Counts a request that is over. */
  add(durationMs: number): void {
    const seconds = durationMs / 1000;
    let bucket = 0;
    while (bucket < BUCKETS_S.length && seconds > (BUCKETS_S[bucket] ?? Infinity)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += seconds;
  }

  /** As the text format has it: each bucket holds those before it too. */
  samples() {
    const { labels: sharedLabels } = this;
    let count = 0;
    const buckets = [...BUCKETS_S, '+Inf'].map((le, index) => {
      count += this.counts[index] ?? 0;
      return { metricName: `${NAME}_bucket`, labels: { le }, sharedLabels, value: count };
    });
    return [
      ...buckets,
      { metricName: `${NAME}_sum`, labels: {}, sharedLabels, value: this.sum },
      { metricName: `${NAME}_count`, labels: {}, sharedLabels, value: count },
    ];
  }
}

/**
 * How long requests took, by method, the route's pattern, and status. Callers can't make up a label. The buckets are our own:
 * prom-client makes up the name of the series anew for each observation, which takes 2 % of a request's time.
 */
export class RequestDurations extends Histogram<'method' | 'route' | 'status'> {
  private readonly known = new Map<string, Map<string, Map<number, Series>>>();
  private readonly series: Series[] = [];

  constructor(registry: Registry) {
    super({ name: NAME, help: HELP, buckets: BUCKETS_S, registers: [registry] });
  }

  /** Where such requests are counted; `route` is the pattern, or null where no route was reached. */
  seriesOf(method: string, route: string | null, status: number): Series {
    const label = METHODS.has(method) ? method : 'other';
    const pattern = route ?? 'none';
    return this.known.get(pattern)?.get(label)?.get(status) ?? this.begin(label, pattern, status);
  }

  /** What prom-client's registry and `get` ask for. */
  async getForPromString() {
    const values = this.series.flatMap((each) => each.samples());
    return { name: NAME, help: HELP, type: 'histogram', values, aggregator: 'sum' };
  }

  private begin(method: string, route: string, status: number): Series {
    const series = new Series({ method, route, status: String(status) });
    const ofRoute = getOrAdd(this.known, route, () => new Map<string, Map<number, Series>>());
    getOrAdd(ofRoute, method, () => new Map<number, Series>()).set(status, series);
    this.series.push(series);
    return series;
  }
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key) ?? make();
  map.set(key, known);
  return known;
}
