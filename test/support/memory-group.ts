import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A Linux control group, version 1 or 2, that limits the memory of its processes.
 */
export class MemoryGroup {
  private constructor(readonly folder: string) {}

  /** Creates a group, or returns `undefined` if this process may not create groups. */
  static create(name: string, bytes: number): MemoryGroup | undefined {
    const isVersion2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
    const folder = join(isVersion2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory', name);
    try {
      mkdirSync(folder);
      writeFileSync(
        join(folder, isVersion2 ? 'memory.max' : 'memory.limit_in_bytes'),
        String(bytes),
      );
      return new MemoryGroup(folder);
    } catch {
      if (existsSync(folder)) rmdirSync(folder);
      return undefined;
    }
  }

  /** Removes the group. All of its processes must have ended. */
  remove(): void {
    rmdirSync(this.folder);
  }
}
