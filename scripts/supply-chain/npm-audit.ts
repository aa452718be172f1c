import { spawnSync } from 'node:child_process';
import { z } from 'zod';

const TIMEOUT_MS = 60_000;

export type Verdict =
  | { readonly status: 'passed' | 'failed'; readonly problems: string[] }
  | { readonly status: 'skipped'; readonly reason: string };

const auditSchema = z.object({
  auditReportVersion: z.number(),
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string() })),
});
const signaturesSchema = z.object({
  invalid: z.array(z.object({ name: z.string() })),
  missing: z.array(z.object({ name: z.string() })),
});

/** Known vulnerabilities, if the registry tells of them. Only an answer in full is a pass. */
export function judgeAudit(output: string): Verdict {
  const report = auditSchema.safeParse(parse(output));
  if (!report.success) return { status: 'skipped', reason: 'the registry gave no advisories' };
  return judge(
    Object.entries(report.data.vulnerabilities).map(
      ([name, { severity }]) => `${name} has a known vulnerability: ${severity}`,
    ),
  );
}

/** Packages that the registry has not signed, if it can be asked. */
export function judgeSignatures(output: string): Verdict {
  const report = signaturesSchema.safeParse(parse(output));
  if (!report.success) return { status: 'skipped', reason: 'the registry gave no signatures' };
  const { invalid, missing } = report.data;
  return judge([
    ...invalid.map(({ name }) => `${name} has a wrong signature`),
    ...missing.map(({ name }) => `${name} has no signature`),
  ]);
}

export function runAudit(folder: string, ...args: string[]): string {
  const { stdout } = spawnSync(
    'npm',
    ['audit', ...args, '--json', '--fetch-retries=0', '--fetch-timeout=10000'],
    { cwd: folder, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 },
  );
  return stdout;
}

function judge(problems: string[]): Verdict {
  return { status: problems.length === 0 ? 'passed' : 'failed', problems };
}

function parse(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
