import { readFileSync } from 'node:fs';

/** A line of a document or of a comment, or a test title. */
export interface ProseLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** Columns of the whole line if the text is a comment; otherwise 0. */
  readonly commentColumns: number;
}

const CODE_COMMENT = /^\s*(?:\/\/\/?|\/\*\*?|\*(?!\/))\s?(?<text>.*)$/;
const HASH_COMMENT = /^\s*(?:#|--|\/\/\/?)\s?(?<text>.*)$/;
const TRAILING_COMMENT = /[;,{)] \/\/ (?<text>.*)$/;
const TEST_TITLE = /^\s*(?:(?:it|describe)\b.*?\(|\]?\)\()(?<quote>['"`])(?<text>.*?)\k<quote>,/;
const FENCED = /^```[^]*?^```$/gm;

export function readProse(file: string): ProseLine[] {
  const text = readFileSync(file, 'utf8');
  return file.endsWith('.md') ? documentProse(file, text) : codeProse(file, text);
}

function documentProse(file: string, markdown: string): ProseLine[] {
  const withoutBlocks = markdown.replaceAll(FENCED, (block) => block.replaceAll(/.+/g, ''));
  return withoutBlocks.split('\n').map((line, index) => ({
    file,
    line: index + 1,
    text: line.replace(/^(?:- |> |\d+\. )/, '').replaceAll(/`[^`]*`/g, '`…`'),
    commentColumns: 0,
  }));
}

function codeProse(file: string, code: string): ProseLine[] {
  const comment = /\.[jt]s$|\.mjs$/.test(file) ? CODE_COMMENT : HASH_COMMENT;
  return code.split('\n').flatMap((line, index) => {
    const ofComment = comment.exec(line) ?? TRAILING_COMMENT.exec(line);
    const { text } = (ofComment ?? TEST_TITLE.exec(line))?.groups ?? {};
    if (text === undefined) return [];
    return { file, line: index + 1, text, commentColumns: ofComment ? line.length : 0 };
  });
}
