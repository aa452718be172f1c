/** The quota of a policy: so many in a window of so many seconds. */
export interface QuotaPolicy {
  readonly name: string;
  readonly quota: number;
  readonly windowSeconds: number;
}

/**
 * What a caller is told of its quota: `RateLimit-Policy` and `RateLimit`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/).
 */
export function rateLimitHeaders(policy: QuotaPolicy, remaining: number, msUntilReset: number) {
  return {
    'ratelimit-policy': `"${policy.name}";q=${policy.quota};w=${policy.windowSeconds}`,
    ratelimit: `"${policy.name}";r=${remaining};t=${inSeconds(msUntilReset)}`,
  };
}

/** The same when nothing is left, with `Retry-After`. */
export function refusalHeaders(policy: QuotaPolicy, msUntilReset: number) {
  const seconds = String(inSeconds(msUntilReset));
  return { ...rateLimitHeaders(policy, 0, msUntilReset), 'retry-after': seconds };
}

// A client that waits for 0 s comes too early.
function inSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
