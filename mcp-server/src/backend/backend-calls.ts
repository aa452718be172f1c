import { inSpan } from '@latchkey/tracing/spans';
import { BackendError, type BackendOutcome } from './backend-errors.js';
import type { BackendRequest, BackendTransport, Origin } from './backend-transport.js';
import { type CallLimits, CallPolicy, SharedCapacity } from './call-policy.js';

/** The kinds of calls, each with a circuit breaker of its own. */
export const BACKEND_ROUTES = ['user', 'user-accounts', 'accounts', 'update'] as const;
export type BackendRoute = (typeof BACKEND_ROUTES)[number];

export interface CallOptions extends Origin {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Receives events of calls and of their requests. It returns at once and never throws. */
export interface BackendObserver {
  /** A call is over, with all its retries. Its outcome may be that no request was sent. */
  onCall(route: BackendRoute, outcome: BackendOutcome): void;
  /** A single request is over. */
  onRequest(route: BackendRoute, outcome: BackendOutcome, durationMs: number): void;
  /** A request is sent again. */
  onRetry(route: BackendRoute): void;
}

/** Sends calls through the policy of their route, and reports them to the observer. */
export class BackendCalls {
  observer: BackendObserver | undefined;
  private readonly capacity = new SharedCapacity();
  private readonly policies: Readonly<Record<BackendRoute, CallPolicy>>;

  constructor(
    private readonly transport: BackendTransport,
    limits: CallLimits,
  ) {
    const createPolicy = () => new CallPolicy(limits, this.capacity);
    this.policies = {
      user: createPolicy(),
      'user-accounts': createPolicy(),
      accounts: createPolicy(),
      update: createPolicy(),
    };
  }

  /** Whether calls of a route are refused, because most of them failed. */
  isCircuitOpen(route: BackendRoute): boolean {
    return this.policies[route].isCircuitOpen;
  }

  /** How many calls run, and how many wait for others to end. */
  get load(): Readonly<Record<'running' | 'waiting', number>> {
    return this.capacity.bulkhead.load;
  }

  /** Sends a request, and repeats it as its policy allows. */
  send<Answer>(
    route: BackendRoute,
    request: BackendRequest<Answer>,
    { signal, ...origin }: CallOptions,
  ): Promise<Answer> {
    let requests = 0;
    const span = { name: `backend ${route}`, kind: 'client' } as const;
    const attempt = (hangUp: AbortSignal) => {
      if (requests > 0) this.observer?.onRetry(route);
      requests += 1;
      return watch(
        () => inSpan(span, () => this.transport.send(request, origin, hangUp)),
        (outcome, durationMs) => this.observer?.onRequest(route, outcome, durationMs),
      );
    };
    return this.policies[route].run({ attempt, repeatable: request.method === 'GET', signal });
  }

  /** Does the work of one call, and reports how it ended. */
  watchCall<Answer>(route: BackendRoute, work: () => Promise<Answer>): Promise<Answer> {
    return watch(work, (outcome) => this.observer?.onCall(route, outcome));
  }
}

async function watch<Answer>(
  work: () => Promise<Answer>,
  report: (outcome: BackendOutcome, durationMs: number) => void,
): Promise<Answer> {
  const startedAt = performance.now();
  let outcome: BackendOutcome = 'ok';
  try {
    return await work();
  } catch (error) {
    outcome = error instanceof BackendError ? error.outcome : 'abandoned';
    throw error;
  } finally {
    report(outcome, performance.now() - startedAt);
  }
}
