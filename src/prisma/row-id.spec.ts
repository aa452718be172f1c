import { expect, it } from 'vitest';
import { z } from 'zod';
import { createRowId } from './row-id.js';

it('a row id is a UUID of version 7 that begins with the time', () => {
  const id = createRowId(Date.parse('2026-11-30T09:00:00.000Z'));
  expect(z.uuidv7().parse(id)).toMatch(/^01a22bae-b680-7/);
});

it('row ids differ, and sort by time', () => {
  expect(createRowId(1)).not.toBe(createRowId(1));
  expect(createRowId(1) < createRowId(2)).toBe(true);
});
