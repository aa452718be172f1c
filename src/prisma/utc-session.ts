/**
 * Start-up options for every connection that Prisma uses: adapter-pg 7.10 writes times without an offset and reads
 * every offset as UTC, so on a server of another time zone all times would shift. The date's style is what `src/users` reads.
 */
export const UTC_SESSION = '-c TimeZone=UTC -c DateStyle=ISO';
