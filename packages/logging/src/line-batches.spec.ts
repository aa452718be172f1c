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
import { LineBatches } from './line-batches.js';

function openLines(): { lines: LineBatches; read: () => string } {
  const directory = mkdtempSync(join(tmpdir(), 'lines-'));
  const file = join(directory, 'log');
  const descriptor = openSync(file, 'w');
  onTestFinished(() => {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  });
  return { lines: new LineBatches(descriptor), read: () => readFileSync(file, 'utf8') };
}

describe('lines of both kinds', () => {
  it('keep their order and their characters', async () => {
    const { lines, read } = openLines();
    lines.writeAscii('one\n');
    lines.write('two — ✓\n');
    lines.writeAscii('three\n');
    lines.write('four\n');
    await vi.waitFor(() => expect(read()).toBe('one\ntwo — ✓\nthree\nfour\n'), 10_000);
  });

  it('are whole, however long and however many', async () => {
    const { lines, read } = openLines();
    const written = Array.from({ length: 20 }, (_, number) => `${'x'.repeat(36_000 * number)}\n`);
    for (const line of written) lines.writeAscii(line);
    await vi.waitFor(() => expect(read()).toBe(written.join('')), 10_000);
  });

  it('are written again after a batch', async () => {
    const { lines, read } = openLines();
    lines.writeAscii('first\n');
    await vi.waitFor(() => expect(read()).toBe('first\n'), 10_000);
    lines.writeAscii('second\n');
    await vi.waitFor(() => expect(read()).toBe('first\nsecond\n'), 10_000);
  });
});

describe('lines for a reader that does not keep up', () => {
  // Both ends of a pipe, which holds 64 KiB.
  function openPipe(): { lines: LineBatches; read: () => string } {
    const directory = mkdtempSync(join(tmpdir(), 'lines-'));
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const room = Buffer.alloc(1024 * 1024);
    const read = () => {
      try {
        return room.toString('utf8', 0, readSync(descriptor, room));
      } catch {
        return '';
      }
    };
    onTestFinished(() => rmSync(directory, { recursive: true }));
    return { lines: new LineBatches(descriptor), read };
  }

  async function readAll(read: () => string, isAll: (text: string) => boolean): Promise<string> {
    let text = '';
    while (!isAll(text)) {
      text += read();
      await sleep(1);
    }
    return text;
  }

  it('arrive whole and in order, also those that come meanwhile', async () => {
    const { lines, read } = openPipe();
    const written: string[] = [];
    const write = (line: string) => {
      written.push(line);
      if (written.length % 2 === 0) lines.writeAscii(line);
      else lines.write(line);
    };
    for (let line = 0; line < 1000; line++) write(`${line} ${'x'.repeat(line)}\n`);
    const meanwhile = setInterval(() => write(`${written.length} meanwhile\n`), 1);
    const text = await readAll(read, (soFar) => soFar.length > 400_000);
    clearInterval(meanwhile);
    const rest = await readAll(read, (more) => (text + more).length === written.join('').length);
    expect(text + rest).toBe(written.join(''));
  });

  it('are dropped where too many wait, and a line says how many', async () => {
    const { lines, read } = openPipe();
    const line = `${'x'.repeat(1_000_000)}\n`;
    for (let written = 0; written < 40; written++) lines.writeAscii(line);
    await sleep(50);
    const text = await readAll(read, (soFar) => soFar.includes('dropped'));
    const whole = text.split('\n').filter((each) => each.length === 1_000_000).length;
    expect(whole).toBeGreaterThanOrEqual(8);
    expect(whole).toBeLessThanOrEqual(16);
    expect(text).toContain(`"msg":"${40 - whole} lines of the log were dropped`);
  });
});

describe('lines for a disk that is full', () => {
  it('do not end the process', async () => {
    // Never closed: the lines are tried again, and its number would be that of another test's file.
    const full = openSync('/dev/full', 'w');
    const uncaught: unknown[] = [];
    const note = (error: unknown) => void uncaught.push(error);
    process.on('uncaughtException', note);
    onTestFinished(() => void process.off('uncaughtException', note));
    const lines = new LineBatches(full);
    for (let written = 0; written < 3; written++) {
      lines.write('a line\n');
      await sleep(30);
    }
    expect(uncaught).toEqual([]);
  });
});

describe('the end of a process', () => {
  const PROGRAM = `
    const { LineBatches } = await import('${new URL('../dist/line-batches.js', import.meta.url).href}');
    const lines = new LineBatches(1);
    process.stdout.isTTY;
    for (let line = 0; line < 2000; line++) lines.writeAscii('x'.repeat(1000) + '\\n');
    setTimeout(() => process.exit(7), 100);`;

  it('leaves nothing for a reader who is late', async () => {
    const command = `"$NODE" --input-type=module --eval "$PROGRAM" | { sleep 0.2; wc -c; }`;
    const child = spawn('sh', ['-c', command], {
      env: { ...process.env, NODE: process.execPath, PROGRAM },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    expect((await textOf(child.stdout)).trim()).toBe(String(2000 * 1001));
  });

  async function exitCode(stdout: 'pipe' | number): Promise<unknown> {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      stdio: ['ignore', stdout, 'inherit'],
    });
    const [code]: unknown[] = await once(child, 'exit');
    child.stdout?.destroy();
    return code;
  }

  it('does not wait for a reader that does not read', async () => {
    expect(await exitCode('pipe')).toBe(7);
  });

  it('does not wait for a disk that is full', async () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
    expect(await exitCode(full)).toBe(7);
  });
});
