import { format } from 'prettier';

/** Blocks of Markdown, such as paragraphs and tables. */
export type Content = string | readonly Content[];

/** A Markdown table. Pipes in a cell are escaped, and line breaks become spaces. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

export function block(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trim()}\n\`\`\``;
}

/** Formats a page with prettier, and appends a note for editors. */
export async function page(...content: readonly Content[]): Promise<string> {
  const note =
    '<!-- Generated from the code by `npm run reference`. Edit the code, not this page. -->';
  return format(textOf([content, note]), { parser: 'markdown', printWidth: 100 });
}

function textOf(content: Content): string {
  return typeof content === 'string' ? content : content.map(textOf).join('\n\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}
