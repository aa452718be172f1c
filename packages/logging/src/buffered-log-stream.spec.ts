import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BufferedLogStream } from './buffered-log-stream.js';

function openLines(): { lines: BufferedLogStream; read: () => string } {
  const directory = mkdtempSync(join(tmpdir(), 'lines-'));
  const file = join(directory, 'log');
  const descriptor = openSync(file, 'w');
  onTestFinished(() => {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  });
  return { lines: new BufferedLogStream(descriptor), read: () => readFileSync(file, 'utf8') };
}

describe('BufferedLogStream', () => {
  it('keeps the order of lines', async () => {
    const { lines, read } = openLines();
    lines.write('one\n');
    lines.write('two\n');
    await vi.waitFor(() => expect(read()).toBe('one\ntwo\n'), 10_000);
  });

  it('escapes non-ASCII characters of JSON, such as terminal control codes', async () => {
    const { lines, read } = openLines();
    const texts = ['\u009b31m', 'Ärger ✓ 🔑', 'plain', ''];
    for (const text of texts) lines.write(`${JSON.stringify(text)}\n`);
    await vi.waitFor(() => expect(read().split('\n')).toHaveLength(5), 10_000);
    expect(read()).toMatch(/^[\x20-\x7e\n]+$/);
    const written = read().trim().split('\n');
    expect(written.map((line): unknown => JSON.parse(line))).toEqual(texts);
  });

  it('writes long lines completely', async () => {
    const { lines, read } = openLines();
    const written = Array.from({ length: 20 }, (_, number) => `${'x'.repeat(36_000 * number)}\n`);
    for (const line of written) lines.write(line);
    await vi.waitFor(() => expect(read()).toBe(written.join('')), 10_000);
  });

  it('writes a line that arrives after a batch was written', async () => {
    const { lines, read } = openLines();
    lines.write('first\n');
    await vi.waitFor(() => expect(read()).toBe('first\n'), 10_000);
    lines.write('second\n');
    await vi.waitFor(() => expect(read()).toBe('first\nsecond\n'), 10_000);
  });
});

describe('BufferedLogStream with a slow reader', () => {
  // Opens both ends of a pipe. A pipe can hold 64 KiB.
  function openPipe(): { lines: BufferedLogStream; read: () => string } {
    const directory = mkdtempSync(join(tmpdir(), 'lines-'));
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const chunk = Buffer.alloc(1024 * 1024);
    const read = () => {
      try {
        return chunk.toString('utf8', 0, readSync(descriptor, chunk));
      } catch {
        return '';
      }
    };
    onTestFinished(() => rmSync(directory, { recursive: true }));
    return { lines: new BufferedLogStream(descriptor), read };
  }

  async function readUntil(read: () => string, isEnd: (text: string) => boolean): Promise<string> {
    let text = '';
    while (!isEnd(text)) {
      text += read();
      await sleep(1);
    }
    return text;
  }

  it('delivers every line completely and in order', async () => {
    const { lines, read } = openPipe();
    const written: string[] = [];
    const write = (line: string) => {
      written.push(line);
      lines.write(line);
    };
    for (let line = 0; line < 1000; line++) write(`${line} ${'x'.repeat(line)}\n`);
    const meanwhile = setInterval(() => write(`${written.length} meanwhile\n`), 1);
    const text = await readUntil(read, (soFar) => soFar.length > 400_000);
    clearInterval(meanwhile);
    const rest = await readUntil(read, (more) => (text + more).length === written.join('').length);
    expect(text + rest).toBe(written.join(''));
  });

  it('drops lines beyond its capacity and reports how many', async () => {
    const { lines, read } = openPipe();
    const line = `${'x'.repeat(1_000_000)}\n`;
    for (let written = 0; written < 40; written++) lines.write(line);
    await sleep(50);
    const text = await readUntil(read, (soFar) => soFar.includes('dropped'));
    const whole = text.split('\n').filter((each) => each.length === 1_000_000).length;
    expect(whole).toBeGreaterThanOrEqual(8);
    expect(whole).toBeLessThanOrEqual(16);
    expect(text).toContain(`"msg":"dropped ${40 - whole} log lines`);
  });
});

describe('BufferedLogStream with a full disk', () => {
  it('does not end the process', async () => {
    // Stays open: the stream still writes to this descriptor, and another file could reuse it.
    const full = openSync('/dev/full', 'w');
    const uncaught: unknown[] = [];
    const record = (error: unknown) => void uncaught.push(error);
    process.on('uncaughtException', record);
    onTestFinished(() => void process.off('uncaughtException', record));
    const lines = new BufferedLogStream(full);
    for (let written = 0; written < 3; written++) {
      lines.write('a line\n');
      await sleep(30);
    }
    expect(uncaught).toEqual([]);
  });
});

describe('BufferedLogStream at the exit of the process', () => {
  const START = `
    const { BufferedLogStream } = await import('${new URL('../dist/buffered-log-stream.js', import.meta.url).href}');
    const lines = new BufferedLogStream(1);
    process.stdout.isTTY;`;
  const PROGRAM = `${START}
    for (let line = 0; line < 2000; line++) lines.write('x'.repeat(1000) + '\\n');
    setTimeout(() => process.exit(7), 100);`;

  it('delivers all lines to a reader that starts 0.2 s after the process', async () => {
    const command = `"$NODE" --input-type=module --eval "$PROGRAM" | { sleep 0.2; wc -c; }`;
    const child = spawn('sh', ['-c', command], {
      env: { ...process.env, NODE: process.execPath, PROGRAM },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    expect((await textOf(child.stdout)).trim()).toBe(String(2000 * 1001));
  });

  it('reports a line that was dropped just before the exit', () => {
    const program = `${START}
      lines.write('x'.repeat(16 * 1024 * 1024));
      process.exit();`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program]);
    expect(output.toString()).toContain('"msg":"dropped 1 log lines: the reader is too slow"');
  });

  async function exitCode(stdout: 'pipe' | number): Promise<unknown> {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      stdio: ['ignore', stdout, 'inherit'],
    });
    const [code]: unknown[] = await once(child, 'exit');
    child.stdout?.destroy();
    return code;
  }

  it('lets the process exit although nothing reads the pipe', async () => {
    expect(await exitCode('pipe')).toBe(7);
  });

  it('lets the process exit although the disk is full', async () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
    expect(await exitCode(full)).toBe(7);
  });
});
