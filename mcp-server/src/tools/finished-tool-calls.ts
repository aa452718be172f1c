import { Injectable } from '@nestjs/common';

/** A tool call that is over. */
export interface FinishedToolCall {
  readonly tool: string;
  /** `ok`, `cancelled`, or the code of the failure: one of a fixed set of words. */
  readonly outcome: string;
  readonly durationMs: number;
}

/** Tells of every tool call, once, when it is over. Observers register at start; they return at once and never throw. */
@Injectable()
export class FinishedToolCalls {
  private readonly observers: ((call: FinishedToolCall) => void)[] = [];

  observe(observer: (call: FinishedToolCall) => void): void {
    this.observers.push(observer);
  }

  announce(call: FinishedToolCall): void {
    for (const observer of this.observers) observer(call);
  }
}
