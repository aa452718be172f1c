/**
 * A quota per window, and the headers that state it: `RateLimit-Policy` and `RateLimit`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/).
 */
export class QuotaPolicy {
  /** The value of `RateLimit-Policy`. */
  readonly header: string;
  private readonly start: string;
  // Cached for a second: formatting takes as long as counting.
  private seconds = 0;
  private end = '';

  constructor(
    name: string,
    readonly quota: number,
    readonly windowSeconds: number,
  ) {
    this.header = `"${name}";q=${quota};w=${windowSeconds}`;
    this.start = `"${name}";r=`;
  }

  /** The value of `RateLimit`. */
  allowance(remaining: number, msUntilReset: number): string {
    const seconds = toSeconds(msUntilReset);
    if (seconds !== this.seconds) {
      this.seconds = seconds;
      this.end = `;t=${seconds}`;
    }
    return this.start + remaining + this.end;
  }

  refusalHeaders(msUntilReset: number): Record<string, string> {
    return {
      'ratelimit-policy': this.header,
      ratelimit: this.allowance(0, msUntilReset),
      'retry-after': String(toSeconds(msUntilReset)),
    };
  }
}

// A client that waits 0 s comes too early.
function toSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
