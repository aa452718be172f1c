import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { enableSpans, inSpan } from './spans.js';

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  enableSpans(api, async () => {});
});
beforeEach(() => exporter.reset());

const query = () => inSpan({ name: 'database read users', kind: 'client' }, async () => 'rows');

describe('inSpan', () => {
  it('creates no span for a query outside another span', async () => {
    expect(await query()).toBe('rows');
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  it('makes the span of a query a child of the span in which the query runs', async () => {
    await inSpan({ name: 'tools/call', kind: 'internal' }, query);
    const [child, parent] = exporter.getFinishedSpans();
    expect(child?.parentSpanContext?.spanId).toBe(parent?.spanContext().spanId);
    expect([child?.name, parent?.name]).toEqual(['database read users', 'tools/call']);
  });
});
