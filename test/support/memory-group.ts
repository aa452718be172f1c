import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A control group of Linux, in its old or its new layout, whose processes get so much memory and no
 * more.
 */
export class MemoryGroup {
  private constructor(readonly folder: string) {}

  /** `undefined` where this process may make none. */
  static create(name: string, bytes: number): MemoryGroup | undefined {
    const isNewLayout = existsSync('/sys/fs/cgroup/cgroup.controllers');
    const folder = join(isNewLayout ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory', name);
    try {
      mkdirSync(folder);
      writeFileSync(
        join(folder, isNewLayout ? 'memory.max' : 'memory.limit_in_bytes'),
        String(bytes),
      );
      return new MemoryGroup(folder);
    } catch {
      if (existsSync(folder)) rmdirSync(folder);
      return undefined;
    }
  }

  /** Once its processes have ended. */
  remove(): void {
    rmdirSync(this.folder);
  }
}
