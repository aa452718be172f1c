import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { API_KEY } from '../../support/app.js';

const PAUSE_MS = 10;
// Beyond every bound that is promised: a caller that waits so long was forgotten.
const PATIENCE_MS = 15_000;

export interface Outcome {
  /** On the clock of `performance`. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** 0 if the connection broke. */
  readonly status: number;
  /** Of a problem, or of what the system says of a connection; `NO_ANSWER` after 15 s. */
  readonly code: string | undefined;
  readonly body: string;
}

export interface Question {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const problemSchema = z.object({ code: z.string() });

/** Asks once; resolves whatever comes of it. */
export async function ask(origin: string, question: Question, agent?: Agent): Promise<Outcome> {
  const startedAt = performance.now();
  try {
    const { status, body } = await send(origin, question, agent);
    const code = status >= 400 ? problemSchema.safeParse(parse(body)).data?.code : undefined;
    return { startedAt, endedAt: performance.now(), status, code, body };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    return { startedAt, endedAt: performance.now(), status: 0, code, body: '' };
  }
}

function send(
  origin: string,
  { method = 'GET', path, body, headers }: Question,
  agent?: Agent,
): Promise<{ status: number; body: string }> {
  const content = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, origin),
      { method, agent: agent ?? false, headers: { 'x-api-key': API_KEY, ...content, ...headers } },
      (response) => {
        text(response).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer }),
          reject,
        );
      },
    );
    sent.on('error', reject);
    sent.setTimeout(PATIENCE_MS, () =>
      sent.destroy(Object.assign(new Error('No answer'), { code: 'NO_ANSWER' })),
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
 * Some clients that ask the same again and again, each with one kept connection, while a test
 * breaks things.
 */
export class Callers {
  readonly outcomes: Outcome[] = [];
  private readonly agent = new Agent({ keepAlive: true });
  private isStopping = false;
  private readonly running: Promise<unknown>;

  constructor(origin: string, question: () => Question, count = 8, pauseMs = PAUSE_MS) {
    const caller = async () => {
      while (!this.isStopping) {
        this.outcomes.push(await ask(origin, question(), this.agent));
        await sleep(pauseMs);
      }
    };
    this.running = Promise.all(Array.from({ length: count }, caller));
  }

  /** The exchanges that began since a moment. */
  since(moment: number): Outcome[] {
    return this.outcomes.filter(({ startedAt }) => startedAt >= moment);
  }

  /** Everybody has been answered in the end. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    this.agent.destroy();
  }
}

/** How often which answer came, such as `{ '200': 10, '503 DATABASE_UNAVAILABLE': 2 }`. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of outcomes) {
    const name = [status, code].filter((part) => part !== undefined).join(' ');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** No number at all of no outcomes: no bound holds for it. */
export function percentile(outcomes: readonly Outcome[], share: number): number {
  const times = outcomes.map(({ startedAt, endedAt }) => endedAt - startedAt);
  return times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * share) - 1)] ?? NaN;
}

/** Milliseconds from a moment until the last answer that was not good. */
export function recovery(outcomes: readonly Outcome[], moment: number): number {
  const bad = outcomes.filter(({ status, endedAt }) => status !== 200 && endedAt > moment);
  return Math.max(0, ...bad.map(({ endedAt }) => endedAt - moment));
}
