import { availableParallelism } from 'node:os';
import { accessSync } from 'node:fs';

// PostgreSQL is not pinned, so it can use both cores.
const CORES = { server: '0', generator: '1' } as const;
const TASKSET = '/usr/bin/taskset';

export type CoreUser = keyof typeof CORES;

/**
 * The command line that pins a program to the core of `user`. `taskset` replaces itself with the
 * program, so the program has the process id of `taskset`.
 */
export function pinned(user: CoreUser, command: readonly string[]): [string, string[]] {
  return [TASKSET, ['--cpu-list', CORES[user], ...command]];
}

/** @throws Error if this machine cannot pin processes to separate cores */
export function checkCores(): void {
  if (availableParallelism() < 2) {
    throw new Error(
      'The benchmark needs two cores: one for the server, one for the load generator.',
    );
  }
  try {
    accessSync(TASKSET);
  } catch {
    throw new Error(
      'The benchmark needs Linux with taskset (util-linux) to pin processes to cores.',
    );
  }
}
