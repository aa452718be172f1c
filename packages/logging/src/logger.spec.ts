import type { Logger } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLoggerFor } from './logger.js';

/** Returns the lines that are written to a log. */
function logOf(write: (logger: Logger) => void): string[] {
  const lines: string[] = [];
  write(createLoggerFor({ write: (line) => void lines.push(line) }, 'trace'));
  return lines;
}

const parse = (line = ''): Record<string, unknown> => JSON.parse(line);

describe('the logger', () => {
  it.each(['x-api-key', 'authorization', 'cookie'])('redacts the header %s', (header) => {
    const headers = { [header]: 'secret', host: 'a' };
    const [request, nested] = logOf((logger) => {
      logger.info({ headers }, 'a request');
      logger.info({ request: { headers } }, 'a nested request');
    });
    const redacted = { [header]: '[Redacted]', host: 'a' };
    expect(parse(request)).toMatchObject({ headers: redacted });
    expect(parse(nested)).toMatchObject({ request: { headers: redacted } });
  });

  // Has the shape of a database driver's error.
  const error = Object.assign(new TypeError('duplicate key', { cause: new Error('secret') }), {
    code: '23505',
    detail: 'secret',
    rows: ['secret'],
    parameters: ['secret'],
  });
  const described = {
    type: 'TypeError',
    code: '23505',
    message: 'duplicate key',
    stack: expect.stringMatching(/^TypeError: duplicate key\n/),
  };

  it('writes only the name, code, message and stack of an error', () => {
    const [asField, asRecord] = logOf((logger) => {
      logger.error({ err: error }, 'a query failed');
      logger.error(error);
    });
    expect(parse(asField)).toMatchObject({ msg: 'a query failed' });
    expect(parse(asField).err).toEqual(described);
    expect(parse(asRecord)).toMatchObject({ msg: 'duplicate key' });
    expect(parse(asRecord).err).toEqual(described);
  });

  it('writes only the type of a thrown value that is not an error', () => {
    const [line] = logOf((logger) => logger.error({ err: { rows: ['secret'] } }, 'failed'));
    expect(parse(line).err).toEqual({ type: 'object' });
  });

  it('writes the time in ISO 8601', () => {
    const before = Date.now();
    const [line] = logOf((logger) => logger.info('now'));
    const { time } = parse(line);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(String(time))).toBeGreaterThanOrEqual(before);
    expect(Date.parse(String(time))).toBeLessThanOrEqual(Date.now());
  });
});
