import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { runProgram } from './programs.js';

/** Whether Python can create virtual environments. On Debian, that requires python3-venv. */
export const HAS_PYTHON = spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0;

/** A Python virtual environment in a temporary folder. */
export class PythonEnvironment {
  private constructor(readonly folder: string) {}

  static async create(packages: readonly string[]): Promise<PythonEnvironment> {
    const environment = new PythonEnvironment(await mkdtemp(join(tmpdir(), 'latchkey-python-')));
    await runProgram('python3', ['-m', 'venv', environment.folder], {});
    await environment.run('pip', ['install', '--quiet', '--prefer-binary', ...packages]);
    return environment;
  }

  /** Runs a program of the environment and resolves to its stdout. */
  run(
    program: string,
    args: readonly string[],
    variables: NodeJS.ProcessEnv = {},
  ): Promise<string> {
    const bin = join(this.folder, 'bin');
    const PATH = `${bin}${delimiter}${process.env.PATH}`;
    const env = { ...process.env, PYTHONWARNINGS: 'ignore', ...variables, PATH };
    return runProgram(join(bin, program), args, { env, cwd: this.folder });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
