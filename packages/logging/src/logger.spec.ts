import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const MODULE = new URL('../dist/logger.js', import.meta.url).href;

/** The lines that a process writes to its log. */
function logOf(statements: string): Record<string, unknown>[] {
  const program = `
    const { createLogger } = await import('${MODULE}');
    const logger = createLogger('trace');
    ${statements}`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  const lines = output.trim().split('\n');
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
}

describe('the logger', () => {
  it.each(['x-api-key', 'authorization', 'cookie'])('redacts the header %s', (header) => {
    const headers = `{ '${header}': 'secret', host: 'a' }`;
    const [request, nested] = logOf(`
      logger.info({ headers: ${headers} }, 'a request');
      logger.info({ request: { headers: ${headers} } }, 'a nested request');`);
    const redacted = { [header]: '[Redacted]', host: 'a' };
    expect(request).toMatchObject({ headers: redacted });
    expect(nested).toMatchObject({ request: { headers: redacted } });
  });

  it('writes only the name, code, message and stack of an error', () => {
    // As the errors of a database driver are.
    const [line] = logOf(`
      const error = new TypeError('duplicate key', { cause: new Error('secret') });
      Object.assign(error, { code: '23505', detail: 'secret', rows: ['secret'], parameters: ['secret'] });
      logger.error({ err: error }, 'a query failed');`);
    expect(line?.err).toEqual({
      type: 'TypeError',
      code: '23505',
      message: 'duplicate key',
      stack: expect.stringMatching(/^TypeError: duplicate key\n/),
    });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  it('writes only the type of a thrown value that is not an error', () => {
    const [line] = logOf(`logger.error({ err: { rows: ['secret'] } }, 'a query failed');`);
    expect(line).toMatchObject({ err: { type: 'object' }, msg: 'a query failed' });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  it('describes an error that is the whole record in the same way', () => {
    const [line] = logOf(`logger.error(Object.assign(new Error('failed'), { rows: ['secret'] }));`);
    expect(line).toMatchObject({ msg: 'failed', err: { type: 'Error' } });
    expect(JSON.stringify(line)).not.toContain('secret');
  });
});
