import type { TraceHeaders } from '@latchkey/tracing/spans';

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/** W3C trace context, passed on as it came unless this server makes spans of its own. */
export type TraceContext = TraceHeaders;

/** Reads the trace context of a client; a malformed one counts as absent, as the standard says. */
export function readTraceContext(
  traceparent: unknown,
  tracestate: unknown,
): TraceContext | undefined {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined;
  if (typeof tracestate !== 'string' || !TRACESTATE.test(tracestate)) return { traceparent };
  return { traceparent, tracestate };
}
