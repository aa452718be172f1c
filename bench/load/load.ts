/**
 * A request that is sent again and again; each `{value}` in its path and headers becomes a random
 * one of `values`.
 */
export interface RequestTemplate {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly values: readonly string[];
  /** Text that every response must contain, where the status alone proves nothing. */
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
   * How long each connection waits before its next request, on average, exponentially distributed.
   */
  readonly pauseMs?: number;
}

export interface LoadResult {
  /** How many were answered. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Requests that were not answered, or not as they should be. */
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
 * A program of its own, on its own core, that sends requests as fast as they are answered, or with
 * pauses.
 */
export interface LoadGenerator {
  readonly name: 'wrk' | 'autocannon';
  readonly version: string;
  run(load: Load, signal: AbortSignal): Promise<LoadResult>;
}
