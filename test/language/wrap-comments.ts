import { MAX_COLUMNS } from './rules.js';

const LINE = /^(?<indent>\s*)(?<marker>\/\/\/?|#|--|\*(?!\/))(?: (?<text>.*))?$/;
const ONE_LINE_BLOCK = /^(?<indent>\s*)\/\*(?<star>\*?) (?<text>.*) \*\/$/;
const TRAILING = /^(?<indent>\s*)(?<code>\S.*[;,{)]) (?<comment>\/\/ .*)$/;
const STARTS_PARAGRAPH = /^(?:@|- |\d+\. |$)/;

/** Wraps all comments that are wider than the limit. */
export function wrapComments(code: string): string {
  const lines = code.split('\n').flatMap(separate);
  const wrapped: string[] = [];
  for (let index = 0; index < lines.length;) {
    const paragraph = paragraphAt(lines, index);
    const isWide = paragraph.some((line) => line.length > MAX_COLUMNS);
    wrapped.push(...(isWide ? wrap(paragraph) : paragraph));
    index += paragraph.length;
  }
  return wrapped.join('\n');
}

/** If a line is too wide, puts its comment on a separate line. */
function separate(line: string): string[] {
  if (line.length <= MAX_COLUMNS) return [line];
  const block = ONE_LINE_BLOCK.exec(line)?.groups;
  if (block) {
    const { indent = '', star = '', text = '' } = block;
    return [`${indent}/*${star}`, `${indent} * ${text}`, `${indent} */`];
  }
  const { indent = '', code = '', comment = '' } = TRAILING.exec(line)?.groups ?? {};
  return code === '' || LINE.test(line) ? [line] : [`${indent}${comment}`, `${indent}${code}`];
}

/** The lines of one paragraph of a comment, or a single line of code. */
function paragraphAt(lines: readonly string[], start: number): string[] {
  const prefix = prefixOf(lines[start] ?? '');
  const paragraph = lines.slice(start, start + 1);
  if (prefix === undefined || textOf(lines[start] ?? '') === '') return paragraph;
  for (const line of lines.slice(start + 1)) {
    if (prefixOf(line) !== prefix || STARTS_PARAGRAPH.test(textOf(line))) break;
    paragraph.push(line);
  }
  return paragraph;
}

function wrap(paragraph: readonly string[]): string[] {
  const prefix = prefixOf(paragraph[0] ?? '');
  if (prefix === undefined) return [...paragraph];
  const words = paragraph.map(textOf).join(' ').split(/ +/);
  const hanging = /^(?:-|@\w+)$/.test(words[0] ?? '') ? '  ' : '';
  const lines: string[] = [];
  let line = prefix;
  for (const word of words) {
    if (line !== prefix && `${line} ${word}`.length > MAX_COLUMNS) {
      lines.push(line);
      line = `${prefix}${hanging}`;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function prefixOf(line: string): string | undefined {
  const { indent, marker } = LINE.exec(line)?.groups ?? {};
  return marker === undefined ? undefined : `${indent}${marker}`;
}

function textOf(line: string): string {
  return LINE.exec(line)?.groups?.text?.trim() ?? '';
}
