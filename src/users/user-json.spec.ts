import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type UserRow, toUserJson } from './user-json.js';

const label = fc.stringMatching(/^[a-z][a-z0-9:_-]{0,20}$/);
const text = fc.string({ unit: 'grapheme' });
const time = fc.date({
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59Z'),
  noInvalidDate: true,
});

// Writes an array as PostgreSQL does: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
function writeArray(elements: readonly string[]): string {
  const written = elements.map((element) =>
    /^[a-z0-9:_-]+$/.test(element) ? element : `"${element.replaceAll(/["\\]/g, '\\$&')}"`,
  );
  return `{${written.join(',')}}`;
}

/** Writes a time as PostgreSQL does: without trailing zeros in the fraction. */
function writeTime(at: Date): string {
  const [date = '', clock = ''] = at.toISOString().split('T');
  const fraction = String(at.getUTCMilliseconds()).padStart(3, '0').replace(/0+$/, '');
  return `${date} ${clock.slice(0, 8)}${fraction === '' ? '' : `.${fraction}`}+00`;
}

/** Creates a row. `overrides` maps the indices of columns to other values. */
function createRow(overrides: Partial<Record<number, string | null>> = {}): UserRow {
  const row: UserRow = [
    '12345',
    'user@example.com',
    'John Doe',
    '+12025550123',
    '{customer}',
    '{read,transact}',
    '2025-01-01 00:00:00+00',
    '2025-01-15 10:30:00.5+00',
  ];
  return Object.assign(row, overrides);
}

describe('the JSON of a user', () => {
  it('equals the output of JSON.stringify', () => {
    const json = toUserJson(createRow());
    expect(json).toBe(JSON.stringify(JSON.parse(json)));
    expect(JSON.parse(json)).toMatchObject({
      id: '12345',
      email: 'user@example.com',
      name: 'John Doe',
      phone: '+12025550123',
      roles: ['customer'],
      permissions: ['read', 'transact'],
      createdAt: '2025-01-01T00:00:00.000Z',
      lastLoginAt: '2025-01-15T10:30:00.500Z',
    });
  });

  it('contains null for null columns, but an empty array for a null array', () => {
    const row = createRow({ 3: null, 4: '{}', 5: null, 7: null });
    expect(JSON.parse(toUserJson(row))).toMatchObject({
      phone: null,
      roles: [],
      permissions: [],
      lastLoginAt: null,
    });
  });

  it('preserves every id, email, name and phone', () => {
    fc.assert(
      fc.property(text, text, text, text, (id, email, name, phone) => {
        const json = toUserJson(createRow({ 0: id, 1: email, 2: name, 3: phone }));
        expect(JSON.parse(json)).toMatchObject({ id, email, name, phone });
      }),
    );
  });

  it('has the same members, whatever text a column contains', () => {
    const members = Object.keys(JSON.parse(toUserJson(createRow())));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7 }), text, (column, value) => {
        for (const injected of [value, `2025-01-01 00:${value}`, `","x":"${value}`]) {
          const user: object = JSON.parse(toUserJson(createRow({ [column]: injected })));
          expect(Object.keys(user)).toEqual(members);
        }
      }),
    );
  });

  it('preserves arrays with plain and with quoted elements', () => {
    const arrays = fc.array(
      fc.oneof(
        label,
        text.filter((element) => element !== ''),
      ),
    );
    fc.assert(
      fc.property(arrays, (roles) => {
        expect(JSON.parse(toUserJson(createRow({ 4: writeArray(roles) }))).roles).toEqual(roles);
      }),
    );
  });

  it('preserves every time to the millisecond', () => {
    fc.assert(
      fc.property(time, (at) => {
        const { createdAt } = JSON.parse(toUserJson(createRow({ 6: writeTime(at) })));
        expect(createdAt).toBe(at.toISOString());
      }),
    );
  });
});

it('toUserJson returns the right roles for more role sets than it caches', () => {
  for (let index = 0; index < 2500; index++) {
    const { roles }: { roles: unknown } = JSON.parse(
      toUserJson(createRow({ 4: `{role-${index}}` })),
    );
    expect(roles).toEqual([`role-${index}`]);
  }
});
