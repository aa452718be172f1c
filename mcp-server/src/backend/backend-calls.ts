import { inSpan } from '@latchkey/tracing/spans';
import {
  outcomeOf,
  type BackendObserver,
  type BackendOutcome,
  type BackendRoute,
} from './backend-observer.js';
import type { BackendRequest, BackendTransport, Origin } from './backend-transport.js';
import { type CallLimits, CallPolicy, SharedCapacity } from './call-policy.js';

export interface CallOptions extends Origin {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends calls through the policy of their route, and reports them to observers. */
export class BackendCalls {
  private readonly observers: BackendObserver[] = [];
  private readonly capacity = new SharedCapacity();
  private readonly policies: Readonly<Record<BackendRoute, CallPolicy>>;

  constructor(
    private readonly transport: BackendTransport,
    limits: CallLimits,
  ) {
    this.policies = {
      user: new CallPolicy(limits, this.capacity),
      users: new CallPolicy(limits, this.capacity),
      accounts: new CallPolicy(limits, this.capacity),
      update: new CallPolicy(limits, this.capacity),
    };
  }

  /** Reports every call and request from now on to an observer. */
  observe(observer: BackendObserver): void {
    this.observers.push(observer);
  }

  /** Whether calls of a route are refused, because most of them failed. */
  isCircuitOpen(route: BackendRoute): boolean {
    return this.policies[route].isCircuitOpen;
  }

  /** How many calls run, and how many wait for others to end. */
  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return this.capacity.load;
  }

  /** Sends a request, and repeats it as its policy allows. */
  send<Answer>(
    route: BackendRoute,
    request: BackendRequest<Answer>,
    { signal, ...origin }: CallOptions,
  ): Promise<Answer> {
    let requests = 0;
    const sendInSpan = (hangUp: AbortSignal) =>
      inSpan({ name: `backend ${route}`, kind: 'client' }, () =>
        this.transport.send(request, origin, hangUp),
      );
    const attempt = (hangUp: AbortSignal) => {
      if (requests > 0) for (const observer of this.observers) observer.onRetry(route);
      requests += 1;
      return this.watch(
        () => sendInSpan(hangUp),
        (observer, outcome, durationMs) => observer.onRequest(route, outcome, durationMs),
      );
    };
    return this.policies[route].run({ attempt, repeatable: request.method === 'GET', signal });
  }

  /** Does the work of one call, and reports how it ended. */
  watchCall<Answer>(route: BackendRoute, work: () => Promise<Answer>): Promise<Answer> {
    return this.watch(work, (observer, outcome) => observer.onCall(route, outcome));
  }

  private async watch<Answer>(
    work: () => Promise<Answer>,
    report: (observer: BackendObserver, outcome: BackendOutcome, durationMs: number) => void,
  ): Promise<Answer> {
    const startedAt = performance.now();
    let outcome: BackendOutcome = 'ok';
    try {
      return await work();
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      const durationMs = performance.now() - startedAt;
      for (const observer of this.observers) report(observer, outcome, durationMs);
    }
  }
}
