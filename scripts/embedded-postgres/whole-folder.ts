import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Creates the folder `target` with what `fill` puts into it. It is filled under another name and
 * then renamed, so that an interruption never leaves a half-made `target`. If another process is
 * first, its folder stays.
 */
export async function createWholeFolder(
  target: string,
  mode: number,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  await removeUnfinished(target);
  const unfinished = `${target}.${process.pid}`;
  try {
    await mkdir(unfinished, { mode });
    await fill(unfinished);
    await rename(unfinished, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Removes what processes that were killed while filling have left. */
async function removeUnfinished(target: string): Promise<void> {
  const prefix = `${basename(target)}.`;
  for (const name of await readdir(dirname(target))) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (Number.isInteger(pid) && (pid === process.pid || !isRunning(pid))) {
      await rm(join(dirname(target), name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
