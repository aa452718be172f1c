import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

/** Whether npm runs the install script of a dependency if the project has this `.npmrc`. */
function runsInstallScripts(npmrc?: string): boolean {
  const project = mkdtempSync(join(tmpdir(), 'install-scripts-'));
  onTestFinished(() => rmSync(project, { recursive: true }));
  const npm = (...args: string[]) =>
    execFileSync('npm', [...args, '--offline', '--cache', join(project, 'cache')], {
      cwd: project,
      // The npm that runs this test sets `npm_config_…` variables. They are omitted here, because
      // they would override the settings of the project.
      env: { PATH: process.env.PATH, HOME: project },
      stdio: 'pipe',
    });
  const postinstall = `node -e "fs.writeFileSync('ran', '')"`;
  // Packs only the manifest, because npm writes its log into the folder at the same time.
  const files = ['package.json'];
  const manifest = { name: 'telemetry', version: '1.0.0', files, scripts: { postinstall } };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  npm('pack');
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project' }));
  if (npmrc !== undefined) copyFileSync(npmrc, join(project, '.npmrc'));
  npm('install', './telemetry-1.0.0.tgz');
  npm('ci');
  npm('rebuild');
  return existsSync(join(project, 'node_modules/telemetry/ran'));
}

describe('npm', () => {
  it.each(['.npmrc', 'bench/.npmrc'])('runs no install script with the settings of %s', (npmrc) => {
    expect(runsInstallScripts(npmrc)).toBe(false);
  });

  it('runs an install script without these settings (control)', () => {
    expect(runsInstallScripts()).toBe(true);
  });
});
