import { renderMermaidSVG } from 'beautiful-mermaid';
import type { MarkdownRenderer } from 'vitepress';

const COLORS = { bg: 'var(--vp-c-bg)', fg: 'var(--vp-c-text-1)', transparent: true };
// The stylesheet in an SVG would load a font from another host, and Vue refuses a `<style>` element
// in a page. theme/diagrams.css replaces the stylesheet.
const STYLESHEET = /<style>.*?<\/style>/s;

/** Renders `mermaid` blocks as SVG at build time, so that readers load no script for them. */
export function renderDiagrams(markdown: MarkdownRenderer): void {
  const { fence } = markdown.renderer.rules;
  markdown.renderer.rules.fence = (tokens, index, options, env, self) => {
    const token = tokens[index];
    if (token?.info.trim() === 'mermaid') {
      const svg = renderMermaidSVG(token.content, COLORS).replace(STYLESHEET, '');
      return `<div class="diagram" v-pre>${svg}</div>`;
    }
    return fence?.(tokens, index, options, env, self) ?? '';
  };
}
