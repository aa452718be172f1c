/**
 * So many in a window of so many seconds, and what a caller is told of it: `RateLimit-Policy` and `RateLimit`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/).
 */
export class QuotaPolicy {
  /** The value of `RateLimit-Policy`. */
  readonly header: string;
  private readonly start: string;
  // The same for all of a second: such texts take as long as the count itself.
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

  /** The value of `RateLimit`: what is left. */
  allowance(remaining: number, msUntilReset: number): string {
    const seconds = inSeconds(msUntilReset);
    if (seconds !== this.seconds) {
      this.seconds = seconds;
      this.end = `;t=${seconds}`;
    }
    return this.start + remaining + this.end;
  }

  /** The headers of an answer to a caller who has nothing left. */
  refusalHeaders(msUntilReset: number): Record<string, string> {
    return {
      'ratelimit-policy': this.header,
      ratelimit: this.allowance(0, msUntilReset),
      'retry-after': String(inSeconds(msUntilReset)),
    };
  }
}

// A client that waits for 0 s comes too early.
function inSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
