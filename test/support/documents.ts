import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';

/** A fenced block of a page. */
export interface Block {
  readonly line: number;
  readonly language: string;
  /** The path at which a reader saves the block. It is in brackets after the language. */
  readonly file: string | undefined;
  readonly text: string;
  /** The reason why the block is not run, taken from the comment before the block. */
  readonly exclusion: string | undefined;
}

const FENCE =
  /(?:^<!-- not run: (?<exclusion>[^]*?) -->\n\n)?^```(?<language>\w+)?(?: \[(?<file>[^\]]+)\])?\n(?<text>[^]*?)^```$/gm;
const ELLIPSIS = '…';

export function readBlocks(markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(({ index, groups }) => ({
    line: markdown.slice(0, index).split('\n').length,
    language: groups?.language ?? '',
    file: groups?.file,
    text: groups?.text ?? '',
    exclusion: groups?.exclusion,
  }));
}

/** The output that a page shows after a block of commands, if any. */
export function expectedOutput(blocks: readonly Block[], command: Block): Block | undefined {
  const next = blocks[blocks.indexOf(command) + 1];
  return next?.language === 'text' || next?.language === 'json' ? next : undefined;
}

/**
 * Compares an output with the page, in which … stands for any text.
 * @param place the page and line, for the failure message
 */
export function expectOutput(output: string, { language, text }: Block, place: string): void {
  if (language === 'json') {
    const expected = withWildcards(JSON.parse(text));
    expect({ place, output: JSON.parse(output) }).toEqual({ place, output: expected });
  } else {
    const pattern = text.trim().split(ELLIPSIS).map(escapeRegExp).join('[^]*');
    const expected = expect.stringMatching(new RegExp(`^${pattern}$`));
    expect({ place, output: output.trim() }).toEqual({ place, output: expected });
  }
}

function withWildcards(value: unknown): unknown {
  if (value === ELLIPSIS) return expect.anything();
  if (Array.isArray(value)) return value.map(withWildcards);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withWildcards(part)]));
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** The terminal of a reader: each block of commands sees the variables of earlier blocks. */
export class Terminal {
  private readonly state: string;

  /** @param folder the checkout in which commands run */
  constructor(private readonly folder: string) {
    this.state = join(folder, '.terminal');
  }

  /** @throws Error whose message contains stderr, if a command fails */
  async run(commands: string): Promise<string> {
    const restore = existsSync(this.state) ? `. ${this.state}\n` : '';
    const script = `set -euo pipefail\n${restore}${commands}\nexport -p > ${this.state}`;
    const { PATH, HOME } = process.env;
    const { stdout } = await promisify(execFile)('bash', ['-c', script], {
      cwd: this.folder,
      env: { PATH, HOME },
      timeout: 30_000,
    });
    return stdout;
  }

  save(path: string, text: string): Promise<void> {
    return writeFile(join(this.folder, path), text);
  }

  /** Applies a patch. Finds the place of each hunk by its text, not by its line numbers. */
  async patch(diff: string): Promise<void> {
    const [, path = ''] = /^\+\+\+ b\/(.+)$/m.exec(diff) ?? [];
    let text = await readFile(join(this.folder, path), 'utf8');
    for (const hunk of diff.split(/^@@.*\n/m).slice(1)) {
      const before = sideOf(hunk, '+');
      if (!text.includes(before)) throw new Error(`${path} does not contain:\n${before}`);
      text = text.replace(before, () => sideOf(hunk, '-'));
    }
    await this.save(path, text);
  }
}

/** One side of a hunk: its lines except the lines of the other side. */
function sideOf(hunk: string, otherSide: '+' | '-'): string {
  const lines = hunk.split('\n').filter((line) => !line.startsWith(otherSide));
  return lines.map((line) => line.slice(1)).join('\n');
}
