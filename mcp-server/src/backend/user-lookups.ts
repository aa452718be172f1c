import DataLoader from 'dataloader';
import type { BackendCalls, CallOptions } from './backend-calls.js';
import { UserNotFoundError } from './backend-errors.js';
import { type User, userAnswerSchema, userPageSchema } from './backend-schemas.generated.js';
import { within } from './within.js';

// The most ids per request: 100 ids of 64 characters fit in the 8 KiB of a URL.
const MAX_IDS = 100;

interface Lookup {
  readonly id: string;
  readonly options: CallOptions;
}

/** Looks users up. The look-ups of one event-loop tick share a backend request; nothing is cached. */
export class UserLookups {
  private readonly loader = new DataLoader<Lookup, User | undefined>(
    (lookups) => this.load(lookups),
    {
      cache: false,
      maxBatchSize: MAX_IDS,
      batchScheduleFn: (load) => setImmediate(load),
    },
  );

  constructor(private readonly calls: BackendCalls) {}

  /** The user, or undefined if there is none. The request goes on while another caller waits for it. */
  find(id: string, options: CallOptions): Promise<User | undefined> {
    return within(this.loader.load({ id, options }), options.signal);
  }

  private async load(lookups: readonly Lookup[]): Promise<(User | undefined)[]> {
    const ids = [...new Set(lookups.map(({ id }) => id))];
    const [first] = lookups;
    // A shared request carries the request id and the trace of its first caller.
    const options = { ...first?.options, signal: allAborted(lookups) };
    if (first !== undefined && ids.length === 1) {
      const user = await this.one(first.id, options);
      return lookups.map(() => user);
    }
    const users = await this.many(ids, options);
    const byId = new Map(users.map((user) => [user.id, user]));
    return lookups.map(({ id }) => byId.get(id));
  }

  private async one(id: string, options: CallOptions): Promise<User | undefined> {
    const path = `/api/internal/users/${id}`;
    const request = { method: 'GET', path, answer: userAnswerSchema } as const;
    try {
      return (await this.calls.send('user', request, options)).user;
    } catch (error) {
      if (error instanceof UserNotFoundError) return undefined;
      throw error;
    }
  }

  private async many(ids: readonly string[], options: CallOptions): Promise<User[]> {
    const path = `/api/internal/users?ids=${ids.join(',')}`;
    const request = { method: 'GET', path, answer: userPageSchema } as const;
    return (await this.calls.send('users', request, { ...options, actingUser: undefined })).users;
  }
}

/** A signal that is aborted when all callers have left; undefined if one of them never leaves. */
function allAborted(lookups: readonly Lookup[]): AbortSignal | undefined {
  const signals = lookups.map(({ options }) => options.signal);
  if (signals.length === 1) return signals[0];
  const left = new AbortController();
  let waiting = 0;
  for (const signal of signals) {
    if (signal === undefined) return undefined;
    if (signal.aborted) continue;
    waiting += 1;
    const leave = () => {
      waiting -= 1;
      if (waiting === 0) left.abort(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
  }
  if (waiting === 0) left.abort(signals[0]?.reason);
  return left.signal;
}
