import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The files below `root` that `.dockerignore` leaves in the build context, relative to it. */
export function listBuildContext(root: string, dockerIgnore: string): string[] {
  const rules = parseDockerIgnore(dockerIgnore);
  const listFolder = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (!entry.isDirectory()) return isExcluded(path, rules) ? [] : [path];
      return isExcluded(path, rules) && !mayHoldException(path, rules) ? [] : listFolder(path);
    });
  return listFolder('');
}

interface Rule {
  readonly isException: boolean;
  readonly pattern: string;
  readonly expression: RegExp;
}

function parseDockerIgnore(text: string): Rule[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const pattern = line.replace(/^!/, '');
      return { isException: pattern !== line, pattern, expression: toRegExp(pattern) };
    });
}

/** The last rule that matches the path, or a folder above it, decides. */
function isExcluded(path: string, rules: Rule[]): boolean {
  const rule = rules.findLast(({ expression }) => expression.test(path));
  return rule !== undefined && !rule.isException;
}

function mayHoldException(folder: string, rules: Rule[]): boolean {
  return rules.some(({ isException, pattern }) => isException && pattern.startsWith(`${folder}/`));
}

const WILDCARDS: Record<string, string> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
};

function toRegExp(pattern: string): RegExp {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replace(/\*\*\/?|\*|\?/g, (wildcard) => WILDCARDS[wildcard] ?? wildcard);
  return new RegExp(`^${expression}(?:/.*)?$`);
}
