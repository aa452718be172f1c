/**
 * Start-up options for Prisma's connections in scripts and tests. UTC, because adapter-pg 7.10
 * writes times without an offset and reads every offset as UTC. ISO, because `src/users` parses
 * dates in this style.
 */
export const UTC_SESSION = '-c TimeZone=UTC -c DateStyle=ISO';

/** Adds `UTC_SESSION` to the options in a URL, because they override separately passed options. */
export function inUtc(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const own = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${own} ${UTC_SESSION}`.trim());
  return url.href;
}
