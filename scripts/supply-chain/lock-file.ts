import { readFileSync } from 'node:fs';
import { z } from 'zod';

const entrySchema = z.object({
  name: z.string().optional(),
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  link: z.boolean().optional(),
  inBundle: z.boolean().optional(),
  hasInstallScript: z.boolean().optional(),
});

/** What a `package-lock.json` says, as far as the rules look at it. */
export const lockFileSchema = z.object({
  lockfileVersion: z.number(),
  packages: z.record(z.string(), entrySchema),
});
export type LockFile = z.infer<typeof lockFileSchema>;

export interface LockedPackage extends z.infer<typeof entrySchema> {
  /** Where it is installed; that of a workspace is its own folder. */
  readonly place: string;
  readonly name: string;
}

const INSTALLED = 'node_modules/';

export function readLockFile(path: string): LockFile {
  return lockFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** Everything that npm installs from elsewhere: neither the project itself nor its workspaces. */
export function foreignPackages({ packages }: LockFile): LockedPackage[] {
  return Object.entries(packages)
    .filter(([place, { link }]) => place.includes(INSTALLED) && link !== true)
    .map(([place, entry]) => lockedPackage(place, entry));
}

function lockedPackage(place: string, entry: z.infer<typeof entrySchema>): LockedPackage {
  return { ...entry, place, name: entry.name ?? nameOf(place) };
}

function nameOf(place: string): string {
  return place.slice(place.lastIndexOf(INSTALLED) + INSTALLED.length);
}
