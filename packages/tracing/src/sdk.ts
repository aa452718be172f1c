import * as otel from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { enableSpans } from './spans.js';

const EXPORT_TIMEOUT_MS = 3000;
const EXPORT_DELAY_MS = 1000;
// Limits how long an exiting process waits for the collector.
const STOP_LIMIT_MS = 300;

/**
 * Starts collecting spans, and sends them to the collector at `OTEL_EXPORTER_OTLP_ENDPOINT`. Call
 * this function before importing a module that creates spans. For all variables, see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function startTracing(serviceName: string): void {
  const exporter = new ReportingExporter({ timeoutMillis: EXPORT_TIMEOUT_MS });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': process.env.OTEL_SERVICE_NAME ?? serviceName,
    }),
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        scheduledDelayMillis: EXPORT_DELAY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  otel.trace.setGlobalTracerProvider(provider);
  otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  // Propagates trace context only: baggage could pass arbitrary data to other services.
  otel.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  enableSpans(otel, async () => {
    const limit = sleep(STOP_LIMIT_MS, undefined, { ref: false });
    await Promise.race([provider.shutdown().catch(() => undefined), limit]);
  });
}

/** Logs once when the collector becomes unavailable, and once when it is available again. */
class ReportingExporter extends OTLPTraceExporter {
  private readonly logger = new Logger('Tracing');
  private isFailing = false;

  override export(...[spans, done]: Parameters<SpanExporter['export']>): void {
    super.export(spans, ({ code }) => {
      this.report(code !== ExportResultCode.SUCCESS);
      done({ code: ExportResultCode.SUCCESS });
    });
  }

  private report(isFailing: boolean): void {
    if (isFailing === this.isFailing) return;
    this.isFailing = isFailing;
    if (isFailing) this.logger.warn('Trace collector unavailable: spans are dropped');
    else this.logger.log('Trace collector available again');
  }
}
