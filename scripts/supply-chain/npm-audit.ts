import { z } from 'zod';

const auditSchema = z.object({
  auditReportVersion: z.number(),
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string() })),
});
const named = z.array(z.object({ name: z.string() }));
const signaturesSchema = z.object({ invalid: named, missing: named });

/** Reads `npm audit --json`; undefined without a complete response, which is not a pass. */
export function readAudit(output: string): string[] | undefined {
  const { data } = auditSchema.safeParse(parse(output));
  return (
    data &&
    Object.entries(data.vulnerabilities).map(([name, { severity }]) => `${name}: ${severity}`)
  );
}

/** Reads `npm audit signatures --json`; undefined without a complete response. */
export function readSignatures(output: string): string[] | undefined {
  const { data } = signaturesSchema.safeParse(parse(output));
  return data && [...data.invalid, ...data.missing].map(({ name }) => `${name}: no good signature`);
}

function parse(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
