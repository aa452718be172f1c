/**
 * A repeated request. Each `{value}` in its path and headers is replaced with a random element of
 * `values`.
 */
export interface RequestTemplate {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly values: readonly string[];
  /** Text that every response must contain, if the status alone does not prove success. */
  readonly expects?: string;
}

export interface LoadTarget {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly request: RequestTemplate;
}

export interface Load extends LoadTarget {
  readonly connections: number;
  readonly seconds: number;
  /**
   * The average pause of each connection before its next request. The pauses are exponentially
   * distributed.
   */
  readonly pauseMs?: number;
}

export interface LoadResult {
  /** The number of completed requests. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** The number of requests with an unexpected response or without a response. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export function ratesOf(results: readonly LoadResult[] = []): number[] {
  return results.map(({ requestsPerSecond }) => requestsPerSecond);
}

export function p50sOf(results: readonly LoadResult[]): number[] {
  return results.map(({ p50Ms }) => p50Ms);
}

export function p99sOf(results: readonly LoadResult[]): number[] {
  return results.map(({ p99Ms }) => p99Ms);
}

/**
 * A separate program on its own core. Each of its connections waits for the response, and for
 * `pauseMs` if it is set, before it sends the next request.
 */
export interface LoadGenerator {
  readonly name: 'wrk' | 'autocannon';
  readonly version: string;
  run(load: Load, signal: AbortSignal): Promise<LoadResult>;
}
