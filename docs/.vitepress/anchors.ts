import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SiteConfig } from 'vitepress';

const ORIGIN = 'https://site.invalid/';

/**
 * Checks that every linked heading exists. VitePress itself checks only that the page exists.
 * @throws Error that lists all dead links.
 */
export function checkAnchors({ outDir }: SiteConfig): void {
  const files = readdirSync(outDir, { recursive: true, encoding: 'utf8' });
  const pages = new Map(
    files
      .filter((file) => file.endsWith('.html'))
      .map((file) => [`/${file}`, readFileSync(join(outDir, file), 'utf8')]),
  );
  const isDead = ({ pathname, hash }: URL) => {
    const target = pages.get(pathname);
    return target !== undefined && hash !== '' && !target.includes(` id="${hash.slice(1)}"`);
  };
  const problems = [...pages].flatMap(([path, html]) =>
    linksOf(html, path)
      .filter(isDead)
      .map(({ pathname, hash }) => `${path} links to a missing heading: ${pathname}${hash}`),
  );
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function linksOf(html: string, path: string): URL[] {
  const base = new URL(path, ORIGIN);
  return [...html.matchAll(/ href="([^"]*)"/g)].map(([, href = '']) => new URL(href, base));
}
