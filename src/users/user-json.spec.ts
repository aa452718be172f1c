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

/** As PostgreSQL writes an array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function writeArray(elements: readonly string[]): string {
  const written = elements.map((element) =>
    /^[a-z0-9:_-]+$/.test(element) ? element : `"${element.replaceAll(/["\\]/g, '\\$&')}"`,
  );
  return `{${written.join(',')}}`;
}

/** As PostgreSQL writes a time: without zeros at the end of the fraction. */
function writeTime(at: Date): string {
  const [date = '', clock = ''] = at.toISOString().split('T');
  const fraction = String(at.getUTCMilliseconds()).padStart(3, '0').replace(/0+$/, '');
  return `${date} ${clock.slice(0, 8)}${fraction === '' ? '' : `.${fraction}`}+00`;
}

function columns(fields: Partial<Record<number, string | null>> = {}): UserRow {
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
  return Object.assign(row, fields);
}

describe('the JSON of a user', () => {
  it('equals the output of JSON.stringify', () => {
    const json = toUserJson(columns());
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

  it('has null for absent values, and empty arrays for null arrays', () => {
    const row = columns({ 3: null, 4: '{}', 5: null, 7: null });
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
        const json = toUserJson(columns({ 0: id, 1: email, 2: name, 3: phone }));
        expect(JSON.parse(json)).toMatchObject({ id, email, name, phone });
      }),
    );
  });

  it('has the same members for any values of a view', () => {
    const members = Object.keys(JSON.parse(toUserJson(columns())));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7 }), text, (column, value) => {
        for (const injected of [value, `2025-01-01 00:${value}`, `","x":"${value}`]) {
          const user: object = JSON.parse(toUserJson(columns({ [column]: injected })));
          expect(Object.keys(user)).toEqual(members);
        }
      }),
    );
  });

  it('preserves every array, plain or quoted', () => {
    const arrays = fc.array(
      fc.oneof(
        label,
        text.filter((element) => element !== ''),
      ),
    );
    fc.assert(
      fc.property(arrays, (roles) => {
        expect(JSON.parse(toUserJson(columns({ 4: writeArray(roles) }))).roles).toEqual(roles);
      }),
    );
  });

  it('preserves every time to the millisecond', () => {
    fc.assert(
      fc.property(time, (at) => {
        const { createdAt } = JSON.parse(toUserJson(columns({ 6: writeTime(at) })));
        expect(createdAt).toBe(at.toISOString());
      }),
    );
  });
});

it('has the right roles with any number of role sets', () => {
  for (let index = 0; index < 2500; index++) {
    const { roles }: { roles: unknown } = JSON.parse(toUserJson(columns({ 4: `{role-${index}}` })));
    expect(roles).toEqual([`role-${index}`]);
  }
});
