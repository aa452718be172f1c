/** `npm run sbom`: writes what is installed for the project to `reports/sbom.cdx.json`, in CycloneDX's format. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readLockFile } from './lock-file.js';
import { findMissingComponents, sbomSchema } from './sbom.js';

const FILE = 'reports/sbom.cdx.json';

const text = execFileSync(
  'npm',
  ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'],
  { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 },
);
const sbom = sbomSchema.parse(JSON.parse(text));
const problems = findMissingComponents(sbom, readLockFile('package-lock.json'));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
mkdirSync('reports', { recursive: true });
writeFileSync(FILE, text);
console.log(`${FILE}: ${sbom.components.length} components`);
