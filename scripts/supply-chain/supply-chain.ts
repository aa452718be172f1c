/** `npm run supply-chain`: what may get into a build, and into the machine that builds it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findMovingActions, findRanges } from './exact-versions.js';
import { findMissingSettings, findUnnamedScripts, findUnusedNames } from './install-scripts.js';
import { type LockFile, readLockFile } from './lock-file.js';
import {
  findAliases,
  findForeignSources,
  findMissingIntegrity,
  findOldFormat,
} from './lock-file-rules.js';
import { readManifest } from './manifest.js';
import { findOutdated, findUnusedRules, readPolicy } from './minimum-versions.js';
import { judgeAudit, judgeSignatures, runAudit, type Verdict } from './npm-audit.js';
import { findRegistryHosts } from './registry-hosts.js';

const MAX_SHOWN = 20;

const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0');
const named = (name: string) => files.filter((file) => file === name || file.endsWith(`/${name}`));
const lockFiles = named('package-lock.json').map((path) => ({
  path,
  lockFile: readLockFile(path),
}));
const locked = lockFiles.map(({ lockFile }) => lockFile);
const { allowScripts } = readManifest('package.json');
const policy = readPolicy('deploy/supply-chain/minimum-versions.json');

function report(rule: string, verdict: Verdict): void {
  if (verdict.status === 'skipped') {
    console.log(`skipped  ${rule}: ${verdict.reason}`);
    return;
  }
  console.log(`${verdict.status}   ${rule}`);
  for (const problem of verdict.problems.slice(0, MAX_SHOWN)) console.log(`           ${problem}`);
  if (verdict.status === 'failed') process.exitCode = 1;
}

function check(rule: string, problems: string[]): void {
  report(rule, { status: problems.length === 0 ? 'passed' : 'failed', problems });
}

function inEachLockFile(find: (lockFile: LockFile) => string[]): string[] {
  return lockFiles.flatMap(({ path, lockFile }) =>
    find(lockFile).map((problem) => `${path}: ${problem}`),
  );
}

function inEachFile(paths: string[], find: (path: string) => string[]): string[] {
  return paths.flatMap((path) => find(path).map((problem) => `${path}: ${problem}`));
}

check(
  'exact versions in every package.json',
  inEachFile(named('package.json'), (path) => findRanges(readManifest(path))),
);
check(
  'actions fixed by a commit',
  inEachFile(
    files.filter((file) => file.startsWith('.github/workflows/')),
    (path) => findMovingActions(readFileSync(path, 'utf8')),
  ),
);
check('the current format of lock files', inEachLockFile(findOldFormat));
check('a digest of every package', inEachLockFile(findMissingIntegrity));
check('no source beside the registry', inEachLockFile(findForeignSources));
check('no package under another name', inEachLockFile(findAliases));
check(
  'install scripts by name only',
  inEachLockFile((lockFile) => findUnnamedScripts(lockFile, allowScripts)),
);
check('no name without an install script', findUnusedNames(locked, allowScripts));
check(
  'settings of npm beside every lock file',
  inEachFile(
    lockFiles.map(({ path }) => join(dirname(path), '.npmrc')),
    (path) => findMissingSettings(readFileSync(path, 'utf8')),
  ),
);
check(
  'minimum versions',
  inEachLockFile((lockFile) => findOutdated(lockFile, policy)),
);
check('no minimum without a package', findUnusedRules(locked, policy));
check(
  'no host of a package registry',
  files
    .filter((file) => /\.(ts|mjs|js|json|ya?ml|md|sh|sql|prisma)$|(rc|file|run|ignore)$/.test(file))
    .flatMap((path) => findRegistryHosts(path, readFileSync(path, 'utf8'))),
);

for (const { path } of lockFiles) {
  const folder = dirname(path);
  const advisories = judgeAudit(runAudit(folder, '--package-lock-only'));
  report(`no known vulnerability in ${path}`, advisories);
  report(`signatures of ${path}`, verifySignatures(folder, advisories));
}

/** Asks for every package that is installed: only a registry that has told of advisories. */
function verifySignatures(folder: string, advisories: Verdict): Verdict {
  if (advisories.status === 'skipped') return advisories;
  if (folder !== '.') return { status: 'skipped', reason: 'what it names is not installed' };
  return judgeSignatures(runAudit(folder, 'signatures'));
}
