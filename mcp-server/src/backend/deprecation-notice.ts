import { Logger } from '@nestjs/common';

const INTERVAL_MS = 3_600_000;

/**
 * Tells the operator that the backend is about to refuse this server's key, once an hour at most.
 */
export class DeprecationNotice {
  private readonly logger = new Logger(DeprecationNotice.name);
  private givenAt = -INTERVAL_MS;

  /**
   * Takes the headers of an answer that has `Deprecation` (RFC 9745), and perhaps `Sunset` (RFC
   * 8594).
   */
  give({ deprecation, sunset }: Readonly<Record<string, unknown>>): void {
    if (performance.now() - this.givenAt < INTERVAL_MS) return;
    this.givenAt = performance.now();
    const since = /^@(\d{1,10})$/.exec(String(deprecation))?.[1];
    const parts = [
      'The key for the backend was replaced',
      describe(' on', Number(since) * 1000),
      describe(' and will be refused from', Date.parse(String(sunset))),
      ': give this server the new one.',
    ];
    this.logger.warn(parts.join(''));
  }
}

// Never the header's own text: nothing unchecked goes into the log.
function describe(words: string, time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : `${words} ${date.toISOString()}`;
}
