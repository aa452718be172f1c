import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { checkAnchors } from './anchors.js';
import { renderDiagrams } from './diagrams.js';
import { checkSourceLinks } from './source-links.js';
import { sidebar } from './sidebar.js';

const docs = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  title: 'Latchkey',
  description: 'The internal user API for MCP servers, protected by API keys.',
  lang: 'en',
  outDir: './dist',
  // Pages enter the search index in the order in which they are read. Reading one page at a time
  // keeps the build deterministic.
  buildConcurrency: 1,
  cacheDir: './node_modules/.cache/vitepress',
  // GitHub shows the README.md of a folder; the site shows the index.md.
  rewrites: { 'README.md': 'index.md', ':folder/README.md': ':folder/index.md' },
  markdown: {
    languageAlias: { haproxy: 'nginx' },
    config: (markdown) => {
      renderDiagrams(markdown);
      checkSourceLinks(markdown, docs);
    },
  },
  buildEnd: checkAnchors,
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Tutorials', link: '/tutorials/', activeMatch: '^/tutorials/' },
      { text: 'How-to guides', link: '/how-to/', activeMatch: '^/how-to/' },
      { text: 'Reference', link: '/reference/', activeMatch: '^/reference/' },
      { text: 'Explanation', link: '/explanation/', activeMatch: '^/explanation/' },
      { text: 'Decisions', link: '/decisions/', activeMatch: '^/decisions/' },
    ],
    sidebar: sidebar(docs),
  },
});
