import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

/** A build of the code before the latest migration, in a temporary directory. */
export class EarlierBuild {
  private constructor(
    /** The name of the latest migration, which this code does not contain. */
    readonly migration: string,
    readonly commit: string,
    private readonly directory: string,
  ) {}

  /**
   * Installs and builds the code in about 2 minutes. Needs the Git history, and the npm registry or
   * npm's cache.
   */
  static async make(): Promise<EarlierBuild> {
    const migrations = 'prisma/migrations/*/migration.sql';
    const log = ['log', '-1', '--diff-filter=A', '--format=%H', '--name-only', '--', migrations];
    const [added = '', , path = ''] = (await run('git', log, { cwd: ROOT })).stdout.split('\n');
    const commit = (await run('git', ['rev-parse', `${added}^`], { cwd: ROOT })).stdout.trim();
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-earlier-'));
    const build = new EarlierBuild(path.split('/')[2] ?? '', commit, directory);
    try {
      await build.install();
    } catch (error) {
      await build.remove();
      throw error;
    }
    return build;
  }

  get main(): string {
    return join(this.directory, 'dist/main.js');
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  private async install(): Promise<void> {
    const archive = join(this.directory, 'code.tar');
    await run('git', ['archive', `--output=${archive}`, this.commit], { cwd: ROOT });
    const { directory: cwd } = this;
    await run('tar', ['-xf', archive], { cwd });
    await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd });
    await run('npm', ['run', 'build'], { cwd });
  }
}
