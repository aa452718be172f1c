/** `npm run supply-chain`: checks manifests, lock files and workflows. See docs/decisions/0030. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { readAudit } from './npm-audit.js';
import * as rules from './rules.js';

const TEXT_FILE = /\.(ts|mjs|js|json|ya?ml|md|sh|sql|prisma)$|(rc|file|run|ignore)$/;
// The other rules depend on these settings. `ignore-scripts` is for old versions of npm, which
// ignore `allowScripts`.
const SETTINGS = ['omit-lockfile-registry-resolved', 'save-exact', 'ignore-scripts'];

const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0');
const read = (path: string) => readFileSync(path, 'utf8');
const readJson = <T>(schema: z.ZodType<T>, path: string) => schema.parse(JSON.parse(read(path)));
const { allowScripts } = readJson(rules.manifestSchema, 'package.json');
const minimums = 'deploy/supply-chain/minimum-versions.json';
const policy = { allowScripts, minimumVersions: readJson(rules.minimumVersionsSchema, minimums) };

/** Prints the problems of a rule; undefined means that the rule could not be checked. */
function report(rule: string, problems: string[] | undefined): void {
  const result = problems === undefined ? 'skipped' : problems.length > 0 ? 'failed' : 'passed';
  console.log([`${result.padEnd(8)} ${rule}`, ...(problems ?? [])].join('\n         '));
  if (result === 'failed') process.exitCode = 1;
}

function inFiles(pattern: RegExp, find: (path: string) => string[]): string[] {
  const paths = files.filter((path) => pattern.test(path));
  return paths.flatMap((path) => find(path).map((problem) => `${path}: ${problem}`));
}

function npmAudit(cwd: string, command: string): string[] | undefined {
  const args = ['audit', command, '--json', '--fetch-retries=0', '--fetch-timeout=10000'];
  const limits = { timeout: 60_000, maxBuffer: 64 * 1024 ** 2 };
  return readAudit(spawnSync('npm', args, { cwd, encoding: 'utf8', ...limits }).stdout);
}

report(
  'every dependency has an exact version',
  inFiles(/(^|\/)package\.json$/, (path) => rules.findRanges(readJson(rules.manifestSchema, path))),
);
report(
  'every action of a workflow is pinned to a commit',
  inFiles(/^\.github\/workflows\//, (path) => rules.findUnpinnedActions(read(path))),
);
report(
  'no file selects a package registry',
  inFiles(TEXT_FILE, (path) => rules.findRegistryHosts(path, read(path))),
);
report(
  'every .npmrc has the required settings',
  inFiles(/(^|\/)\.npmrc$/, (path) => {
    const settings = read(path).split('\n');
    return SETTINGS.filter((name) => !settings.includes(`${name}=true`));
  }),
);
const paths = files.filter((path) => /(^|\/)package-lock\.json$/.test(path));
const lockFiles = paths.map((path) => readJson(rules.lockFileSchema, path));
report('the policy names only installed packages', rules.findUnused(lockFiles, policy));
for (const [index, lockFile] of lockFiles.entries()) {
  const path = paths[index] ?? '';
  report(`${path} follows the policy`, rules.checkLockFile(lockFile, policy));
  const vulnerabilities = npmAudit(dirname(path), '--package-lock-only');
  report(`${path} passes npm audit`, vulnerabilities);
  // The check of signatures sends a request per package: skip it if the registry offers no audit.
  if (vulnerabilities !== undefined && path === 'package-lock.json') {
    report(`${path} has valid signatures`, npmAudit('.', 'signatures'));
  }
}
