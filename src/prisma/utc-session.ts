/**
 * Start-up options for Prisma's connections in scripts and tests. The time zone is UTC, because
 * adapter-pg 7.10 writes times without an offset and reads every offset as UTC. The date style is
 * ISO, because `src/users` parses dates in this style.
 */
export const UTC_SESSION = '-c TimeZone=UTC -c DateStyle=ISO';

/** Adds `UTC_SESSION` to the URL, because options in a URL override separately passed options. */
export function inUtc(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const own = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${own} ${UTC_SESSION}`.trim());
  return url.href;
}
