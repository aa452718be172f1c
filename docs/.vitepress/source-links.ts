import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';

const RELATIVE_LINK = /^(?![a-z][\w+.-]*:|[/#])([^#?]+)/i;
const README = /(^|\/)README\.md(?=$|[#?])/;

/**
 * Handles links that work on GitHub but have no page on the site. A link to a file outside `docs/`
 * becomes plain text, and a missing file fails the build.
 */
export function checkSourceLinks(markdown: MarkdownRenderer, docs: string): void {
  markdown.core.ruler.push('source-links', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.attrGet('href');
      const [, path] = RELATIVE_LINK.exec(href ?? '') ?? [];
      if (token.type !== 'link_open' || href === null || path === undefined) continue;
      const target = join(dirname(env.path), decodeURI(path));
      if (!relative(docs, target).startsWith('..')) {
        token.attrSet('href', href.replace(README, '$1index.md'));
        continue;
      }
      if (!existsSync(target)) throw new Error(`${env.path} links to a missing file: ${href}`);
      // The link becomes an `<a>` element without `href`, which looks like plain text.
      token.attrs = [['title', relative(join(docs, '..'), target)]];
    }
  });
}
