import type * as OpenTelemetry from '@opentelemetry/api';
import type { Attributes, Context, Span } from '@opentelemetry/api';
import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';

// Set by `enableSpans`, so that a process without tracing does not load the library.
let otel: typeof OpenTelemetry | undefined;
let sendLastSpans: () => Promise<void> = async () => {};

/** Turns tracing on. Before this call, `inSpan` runs its work without a span. */
export function enableSpans(api: typeof OpenTelemetry, stop: () => Promise<void>): void {
  otel = api;
  sendLastSpans = stop;
}

@Injectable()
class LastSpans implements OnApplicationShutdown {
  onApplicationShutdown(): Promise<void> {
    return sendLastSpans();
  }
}

/** Sends the last spans when the application ends. */
@Module({ providers: [LastSpans] })
export class TracingModule {}

/** The values of the two headers of a W3C trace context. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

export interface SpanDescription {
  /** A constant name, without ids, paths and queries. */
  readonly name: string;
  /** `client` for a request to another process. */
  readonly kind: 'internal' | 'client';
  readonly attributes?: Attributes;
  /** The caller's trace context, if the caller did not send it in the request headers. */
  readonly parent?: TraceHeaders | undefined;
}

/**
 * Runs work in a span, which records the name of an error but never its message. A `client` span is
 * created only below another span: otherwise each background poll would create its own trace.
 */
export async function inSpan<Result>(
  { name, kind, attributes = {}, parent }: SpanDescription,
  work: (span?: Span) => Promise<Result>,
): Promise<Result> {
  if (otel === undefined) return work();
  const { SpanKind, SpanStatusCode, trace } = otel;
  const active = parentContext(otel, parent);
  if (kind === 'client' && trace.getSpanContext(active) === undefined) return work();
  const options = { kind: SpanKind[kind === 'client' ? 'CLIENT' : 'INTERNAL'], attributes };
  const tracer = trace.getTracer('@latchkey/tracing');
  return tracer.startActiveSpan(name, options, active, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setAttribute('error.type', error instanceof Error ? error.name : typeof error);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Returns headers that propagate the current span; none without tracing. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  otel?.propagation.inject(otel.context.active(), headers);
  return headers;
}

function parentContext(
  { ROOT_CONTEXT, context, propagation, trace }: typeof OpenTelemetry,
  parent: TraceHeaders | undefined,
): Context {
  const active = context.active();
  if (parent === undefined) return active;
  const [, traceId] = parent.traceparent.split('-');
  // If the trace ids are equal, the active span already descends from `parent`.
  if (trace.getSpanContext(active)?.traceId === traceId) return active;
  return propagation.extract(ROOT_CONTEXT, parent);
}
