import { MetricsEndpoint } from '@latchkey/metrics/metrics-endpoint';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Histogram, Registry } from 'prom-client';
import { FinishedToolCalls } from '../tools/finished-tool-calls.js';

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Counts tool calls and how long they took. */
@Injectable()
export class ToolMetrics implements OnModuleInit {
  private readonly durations;

  constructor(
    private readonly calls: FinishedToolCalls,
    private readonly endpoint: MetricsEndpoint,
    registry: Registry,
  ) {
    this.durations = new Histogram({
      name: 'latchkey_mcp_tool_call_duration_seconds',
      help: 'Duration of tool calls, by tool and outcome.',
      labelNames: ['tool', 'outcome'] as const,
      buckets: BUCKETS_S,
      registers: [registry],
    });
  }

  onModuleInit(): void {
    if (!this.endpoint.isEnabled) return;
    this.calls.observe(({ tool, outcome, durationMs }) =>
      this.durations.observe({ tool, outcome }, durationMs / 1000),
    );
  }
}
