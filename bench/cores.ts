import { availableParallelism } from 'node:os';
import { accessSync } from 'node:fs';

// PostgreSQL may use both.
const CORES = { server: '0', generator: '1' } as const;
const TASKSET = '/usr/bin/taskset';

export type CoreUser = keyof typeof CORES;

/** The command line that runs a program on the core of `user`; it keeps the process id. */
export function pinned(user: CoreUser, command: readonly string[]): [string, string[]] {
  return [TASKSET, ['--cpu-list', CORES[user], ...command]];
}

/** Throws a sentence if processes can't be kept apart here. */
export function checkCores(): void {
  if (availableParallelism() < 2) {
    throw new Error('The benchmark needs two cores: one for the server, one for the generator.');
  }
  try {
    accessSync(TASKSET);
  } catch {
    throw new Error('The benchmark pins processes with taskset of util-linux, on Linux only.');
  }
}
