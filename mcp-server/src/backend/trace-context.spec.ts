import { describe, expect, it } from 'vitest';
import { readTraceContext } from './trace-context.js';

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

describe('readTraceContext', () => {
  it('takes what is well-formed', () => {
    expect(readTraceContext(traceparent, 'a=1')).toEqual({ traceparent, tracestate: 'a=1' });
  });

  it.each([undefined, null, '', 'x', `${traceparent}\r\nx-api-key: 1`, traceparent.toUpperCase()])(
    'takes %j for no trace at all',
    (malformed) => {
      expect(readTraceContext(malformed, 'a=1')).toBeUndefined();
    },
  );

  it('leaves out a malformed state', () => {
    expect(readTraceContext(traceparent, 'a\nb')).toEqual({ traceparent });
  });
});
