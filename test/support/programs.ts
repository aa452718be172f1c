import { type ExecFileOptions, execFile, spawnSync } from 'node:child_process';

/** Whether a program of the system is installed. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version']).error === undefined;
}

/**
 * Runs a program and resolves to its stdout.
 * @throws Error with the whole output if the program fails
 */
export function runProgram(
  name: string,
  args: readonly string[],
  options: ExecFileOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(name, args, { ...options, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${name} failed: ${stdout}${stderr}`, { cause: error }));
    });
  });
}
