/**
 * A quota per window, and the headers that state it: `RateLimit-Policy` and `RateLimit`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/).
 */
export class QuotaPolicy {
  /** The value of `RateLimit-Policy`. */
  readonly header: string;
  private readonly start: string;
  // `end` is cached until `seconds` changes: formatting it takes as long as counting a request.
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

// At least 1, because a client that retries after 0 s would be refused again.
function toSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
