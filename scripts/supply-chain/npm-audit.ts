import { z } from 'zod';

const named = z.array(z.object({ name: z.string() }));
// The reports of `npm audit --json` and `npm audit signatures --json`.
const reportSchema = z.union([
  z
    .object({
      auditReportVersion: z.number(),
      vulnerabilities: z.record(z.string(), z.object({ severity: z.string() })),
    })
    .transform(({ vulnerabilities }) =>
      Object.entries(vulnerabilities).map(([name, { severity }]) => `${name}: ${severity}`),
    ),
  z
    .object({ invalid: named, missing: named })
    .transform(({ invalid, missing }) =>
      [...invalid, ...missing].map(({ name }) => `${name}: no valid signature`),
    ),
]);

/** Lists the problems in a report. Returns undefined for an incomplete report. */
export function readAudit(output: string): string[] | undefined {
  try {
    return reportSchema.safeParse(JSON.parse(output)).data;
  } catch {
    return undefined;
  }
}
