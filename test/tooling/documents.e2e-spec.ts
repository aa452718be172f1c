import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCheckout, removeCheckout, Start } from '../support/checkout.js';
import {
  type Block,
  expectedOutput,
  expectOutput,
  readBlocks,
  Terminal,
} from '../support/documents.js';
import { hasProgram } from '../support/programs.js';

const FOLDERS = ['docs/tutorials', 'docs/how-to'];
/**
 * The test runs this page first, because the page changes the source code before it starts
 * Latchkey. The other pages use the Latchkey that is already running.
 */
const FIRST_PAGE = 'docs/tutorials/add-a-tool.md';
const NAMES = FOLDERS.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`),
);
const PAGES = [...new Set([FIRST_PAGE, ...NAMES])].map((page) => ({
  page,
  blocks: readBlocks(readFileSync(page, 'utf8')),
}));
const COMMANDS = PAGES.flatMap(({ blocks }) => blocks.filter(isCommand));
const EXCLUDED = COMMANDS.filter(({ exclusion }) => exclusion !== undefined);

const canRun = ['jq', 'python3', 'curl'].every(hasProgram);

function isCommand({ language }: Block): boolean {
  return language === 'bash';
}

describe('the commands of tutorials and how-to guides', () => {
  it.each(PAGES)('are in bash blocks in $page', ({ blocks }) => {
    expect(blocks.filter(({ language }) => ['sh', 'shell'].includes(language))).toEqual([]);
  });

  it('are excluded from this test only with a reason', () => {
    expect(EXCLUDED.filter(({ exclusion = '' }) => exclusion.split(' ').length < 3)).toEqual([]);
  });

  it('fail the test if the output differs from the page (control)', async () => {
    const page = '```bash\necho one two\n```\n\n```text\none …\n```\n';
    const blocks = readBlocks(page);
    const [command] = blocks;
    const expected = command && expectedOutput(blocks, command);
    if (expected === undefined) throw new Error('The page has no output.');
    const output = await new Terminal(tmpdir()).run(command?.text ?? '');
    expectOutput(output, expected, 'a correct page');
    expect(() => expectOutput('two one', expected, 'a wrong page')).toThrow('to deeply equal');
    await expect(new Terminal(tmpdir()).run('false | cat')).rejects.toThrow('Command failed');
  });
});

describe.skipIf(!canRun)('a reader who follows the pages', () => {
  let checkout: string;
  let terminal: Terminal;
  let latchkey: Start | undefined;
  let ran = 0;

  beforeAll(async () => {
    checkout = await makeCheckout(true);
    terminal = new Terminal(checkout);
  });

  afterAll(async () => {
    console.log(`${ran} blocks of commands ran, ${EXCLUDED.length} are excluded:`);
    for (const { exclusion } of EXCLUDED) console.log(`- ${exclusion}`);
    await latchkey?.signal('SIGINT');
    await removeCheckout(checkout);
  });

  async function run(command: Block): Promise<string> {
    if (/npm start$/m.test(command.text)) {
      latchkey ??= await new Start(checkout).ready();
      return '';
    }
    return terminal.run(atFreePorts(command.text));
  }

  function atFreePorts(text: string): string {
    return text
      .replaceAll('127.0.0.1:3000', `127.0.0.1:${latchkey?.port}`)
      .replaceAll('localhost:3001', `localhost:${latchkey?.mcpPort}`);
  }

  async function follow(page: string, blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) {
      if (block.file !== undefined) await terminal.save(block.file, atFreePorts(block.text));
      if (block.language === 'diff') await terminal.patch(block.text);
      if (!isCommand(block) || block.exclusion !== undefined) continue;
      const output = await run(block);
      ran += 1;
      const expected = expectedOutput(blocks, block);
      if (expected !== undefined) expectOutput(output, expected, `${page}:${expected.line}`);
    }
  }

  it.each(PAGES)(
    'gets the output that $page shows',
    ({ page, blocks }) => follow(page, blocks),
    120_000,
  );

  it('runs all commands that are not excluded', () => {
    expect(ran).toBe(COMMANDS.length - EXCLUDED.length);
    expect(ran).toBeGreaterThan(40);
  });
});
