import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

interface Page {
  readonly text: string;
  readonly link: string;
}

interface Section extends Page {
  readonly collapsed: boolean;
  readonly items: readonly Page[];
}

/** Sections in reading order. Pages that a section does not name follow in alphabetical order. */
const SECTIONS = [
  { folder: 'tutorials', first: ['first-look-up', 'first-key', 'call-the-api', 'connect-claude'] },
  {
    folder: 'how-to',
    first: [
      'keys',
      'leaked-key',
      'root-key',
      'containers',
      'kubernetes',
      'systemd',
      'database-roles',
      'pgbouncer',
      'reverse-proxy',
      'jwks-issuer',
      'shared-limits',
      'monitor',
      'alerts',
      'alert-runbook',
    ],
  },
  { folder: 'reference', first: ['configuration', 'http-api', 'errors', 'command-line'] },
  {
    folder: 'explanation',
    first: [
      'architecture',
      'key-verification',
      'keys-issued-by-keys',
      'limits',
      'audit-trail',
      'data-model',
      'observability',
      'threat-model',
      'attacks',
      'failures',
      'failure-tests',
      'performance',
      'performance-figures',
    ],
  },
  { folder: 'decisions', first: [] },
];

/** Lists every page of the site, so that no page is unreachable. */
export function sidebar(docs: string): Section[] {
  return SECTIONS.map(({ folder, first }) => ({
    text: titleOf(join(docs, folder, 'README.md')),
    link: `/${folder}/`,
    collapsed: folder === 'decisions',
    items: pageNames(join(docs, folder), first).map((name) => ({
      text: titleOf(join(docs, folder, `${name}.md`)),
      link: `/${folder}/${name}`,
    })),
  }));
}

function pageNames(folder: string, first: readonly string[]): string[] {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => file.slice(0, -'.md'.length))
    .toSorted();
  return [...first, ...names.filter((name) => !first.includes(name))];
}

function titleOf(path: string): string {
  const [, title] = /^# (.+)$/m.exec(readFileSync(path, 'utf8')) ?? [];
  if (title === undefined) throw new Error(`${path} has no heading of level 1`);
  return title;
}
