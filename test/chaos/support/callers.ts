import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { API_KEY } from '../../support/app.js';

const PAUSE_MS = 10;
// Longer than every bound in these tests, so a request that takes longer counts as lost.
const TIMEOUT_MS = 15_000;

export interface Outcome {
  /** The result of `performance.now()`. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** 0 if the connection broke. */
  readonly status: number;
  /** The code of the problem or of the connection error; `NO_RESPONSE` after 15 s. */
  readonly code: string | undefined;
  readonly body: string;
}

export interface TestRequest {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const problemSchema = z.object({ code: z.string() });

/** Sends one request and resolves to its outcome, even if it fails. */
export async function sendRequest(
  origin: string,
  testRequest: TestRequest,
  agent?: Agent,
): Promise<Outcome> {
  const startedAt = performance.now();
  try {
    const { status, body } = await send(origin, testRequest, agent);
    const code = status >= 400 ? problemSchema.safeParse(parse(body)).data?.code : undefined;
    return { startedAt, endedAt: performance.now(), status, code, body };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    return { startedAt, endedAt: performance.now(), status: 0, code, body: '' };
  }
}

function send(
  origin: string,
  { method = 'GET', path, body, headers }: TestRequest,
  agent?: Agent,
): Promise<{ status: number; body: string }> {
  const content = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, origin),
      { method, agent: agent ?? false, headers: { 'x-api-key': API_KEY, ...content, ...headers } },
      (response) => {
        text(response).then(
          (received) => resolve({ status: response.statusCode ?? 0, body: received }),
          reject,
        );
      },
    );
    sent.on('error', reject);
    sent.setTimeout(TIMEOUT_MS, () =>
      sent.destroy(Object.assign(new Error('No response'), { code: 'NO_RESPONSE' })),
    );
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * Clients that send requests repeatedly while a test causes a failure. Each client uses one
 * persistent connection.
 */
export class Callers {
  readonly outcomes: Outcome[] = [];
  private readonly agent = new Agent({ keepAlive: true });
  private isStopping = false;
  private readonly running: Promise<unknown>;

  constructor(origin: string, nextRequest: () => TestRequest, count = 8, pauseMs = PAUSE_MS) {
    const caller = async () => {
      while (!this.isStopping) {
        this.outcomes.push(await sendRequest(origin, nextRequest(), this.agent));
        await sleep(pauseMs);
      }
    };
    this.running = Promise.all(Array.from({ length: count }, caller));
  }

  /** The outcomes of requests that started at `moment` or later. */
  since(moment: number): Outcome[] {
    return this.outcomes.filter(({ startedAt }) => startedAt >= moment);
  }

  /** Resolves when all requests are complete. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    this.agent.destroy();
  }
}

/** Outcomes by status and code, such as `{ '200': 10, '503 DATABASE_UNAVAILABLE': 2 }`. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of outcomes) {
    const name = [status, code].filter((part) => part !== undefined).join(' ');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** A percentile of the durations. Without outcomes, it is `NaN`, which fails every comparison. */
export function percentile(outcomes: readonly Outcome[], share: number): number {
  const times = outcomes.map(({ startedAt, endedAt }) => endedAt - startedAt);
  return times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * share) - 1)] ?? NaN;
}

/** Milliseconds from `moment` to the end of the last failed request; 0 without such a request. */
export function recovery(outcomes: readonly Outcome[], moment: number): number {
  const bad = outcomes.filter(({ status, endedAt }) => status !== 200 && endedAt > moment);
  return Math.max(0, ...bad.map(({ endedAt }) => endedAt - moment));
}
