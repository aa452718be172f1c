/**
 * Start-up options for Prisma's connections: adapter-pg 7.10 writes times without an offset and
 * reads every offset as UTC. `src/users` parses dates in the ISO style.
 */
export const UTC_SESSION = '-c TimeZone=UTC -c DateStyle=ISO';

/** Adds `UTC_SESSION` to the options in a URL: they would override options passed beside it. */
export function inUtc(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const own = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${own} ${UTC_SESSION}`.trim());
  return url.href;
}
