import { readFileSync } from 'node:fs';

const MOST = 10_000;
// For the database, files and the log.
const RESERVED = 100;

/** How many connections clients may have: less than the files that the process may open, so that the database always gets one. */
export function connectionLimit(limitsFile = '/proc/self/limits'): number {
  const openFiles = readOpenFilesLimit(limitsFile);
  return Math.max(1, Math.min(MOST, openFiles - RESERVED));
}

function readOpenFilesLimit(path: string): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync(path, 'utf8')) ?? [];
    return Number(soft ?? Infinity);
  } catch {
    // Not Linux.
    return Infinity;
  }
}
