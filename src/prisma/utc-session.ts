/**
 * Start-up options for every connection that Prisma uses: adapter-pg 7.10 writes times without an offset and reads
 * every offset as UTC, so on a server of another time zone all times would shift. The date's style is what `src/users` reads.
 */
export const UTC_SESSION = '-c TimeZone=UTC -c DateStyle=ISO';

/** The URL of a database with these options after its own, which would replace those that are given beside the URL. */
export function inUtc(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const own = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${own} ${UTC_SESSION}`.trim());
  return url.href;
}
