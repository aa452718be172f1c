import { describe, expect, it } from 'vitest';
import { readTraceContext } from './trace-context.js';

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

describe('readTraceContext', () => {
  it('returns well-formed trace context', () => {
    expect(readTraceContext(traceparent, 'a=1')).toEqual({ traceparent, tracestate: 'a=1' });
  });

  it.each([undefined, null, '', 'x', `${traceparent}\r\nx-api-key: 1`, traceparent.toUpperCase()])(
    'ignores the malformed traceparent %j',
    (malformed) => {
      expect(readTraceContext(malformed, 'a=1')).toBeUndefined();
    },
  );

  it('omits a malformed tracestate', () => {
    expect(readTraceContext(traceparent, 'a\nb')).toEqual({ traceparent });
  });
});
