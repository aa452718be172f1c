import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LineBatches } from './line-batches.js';

describe('lines for a disk that is full', () => {
  it('do not end the process', async () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
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
