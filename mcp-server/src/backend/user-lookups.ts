import DataLoader from 'dataloader';
import type { BackendCalls, CallOptions } from './backend-calls.js';
import { BackendUnavailableError, UserNotFoundError } from './backend-errors.js';
import {
  type UserWithAccounts,
  userPageWithAccountsSchema,
  userWithAccountsSchema,
} from './backend-schemas.generated.js';
import { within } from './within.js';

// The most ids per request: 100 ids of 64 characters fit in the 8 KiB of a URL.
const MAX_IDS = 100;
// Fewer, so that the accounts of all users fit in a response of 256 KiB.
const MAX_IDS_WITH_ACCOUNTS = 25;

interface Lookup {
  readonly id: string;
  readonly options: CallOptions;
}

/**
 * Looks users up. The look-ups of one event-loop tick share a backend request; nothing is cached.
 */
export class UserLookups {
  private readonly loader: DataLoader<Lookup, UserWithAccounts | undefined>;
  private readonly include: string;

  constructor(
    private readonly calls: BackendCalls,
    private readonly route: 'user' | 'user-accounts',
  ) {
    const hasAccounts = route === 'user-accounts';
    this.include = hasAccounts ? 'include=accounts' : '';
    this.loader = new DataLoader((lookups) => this.load(lookups), {
      cache: false,
      maxBatchSize: hasAccounts ? MAX_IDS_WITH_ACCOUNTS : MAX_IDS,
      batchScheduleFn: (load) => setImmediate(load),
    });
  }

  /**
   * The user, or undefined if there is none. The request goes on while another caller waits for it.
   */
  find(id: string, options: CallOptions): Promise<UserWithAccounts | undefined> {
    return within(this.loader.load({ id, options }), options.signal);
  }

  private async load(
    lookups: readonly Lookup[],
  ): Promise<(UserWithAccounts | undefined | Error)[]> {
    const ids = new Set(lookups.map(({ id }) => id));
    // A shared request carries the request id and the trace of its first caller.
    const over = new AbortController();
    const options = { ...lookups[0]?.options, signal: allAborted(lookups, over.signal) };
    try {
      const [id] = ids;
      if (id !== undefined && ids.size === 1) {
        const found = await this.one(id, options);
        return lookups.map(() => found);
      }
      const found = await this.many([...ids], options);
      return lookups.map((lookup) => found.get(lookup.id));
    } catch (error) {
      if (ids.size === 1 || !isUnusable(error)) throw error;
      // One record that cannot be read must not fail the calls of other users.
      return await Promise.all(lookups.map((lookup) => this.oneOrError(lookup)));
    } finally {
      // A caller may use one signal for many look-ups.
      over.abort();
    }
  }

  private async oneOrError({ id, options }: Lookup): Promise<UserWithAccounts | undefined | Error> {
    try {
      return await this.one(id, options);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  private async one(id: string, options: CallOptions): Promise<UserWithAccounts | undefined> {
    const path = `/api/internal/users/${id}${this.include && `?${this.include}`}`;
    const request = { method: 'GET', path, answer: userWithAccountsSchema } as const;
    try {
      return await this.calls.send(this.route, request, options);
    } catch (error) {
      if (error instanceof UserNotFoundError) return undefined;
      throw error;
    }
  }

  private async many(
    ids: readonly string[],
    options: CallOptions,
  ): Promise<Map<string, UserWithAccounts>> {
    const path = `/api/internal/users?ids=${ids.join(',')}${this.include && `&${this.include}`}`;
    const request = { method: 'GET', path, answer: userPageWithAccountsSchema } as const;
    const page = await this.calls.send(this.route, request, { ...options, actingUser: undefined });
    const accounts = new Map(Object.entries(page.accounts ?? {}));
    return new Map(page.users.map((user) => [user.id, { user, accounts: accounts.get(user.id) }]));
  }
}

function isUnusable(error: unknown): boolean {
  return error instanceof BackendUnavailableError && error.reason === 'unusable-answer';
}

/** A signal that is aborted when all callers have left; undefined if one of them never leaves. */
function allAborted(lookups: readonly Lookup[], over: AbortSignal): AbortSignal | undefined {
  const signals = lookups.map(({ options }) => options.signal);
  if (signals.length === 1) return signals[0];
  const left = new AbortController();
  let waiting = signals.length;
  for (const signal of signals) {
    if (signal === undefined) return undefined;
    const leave = () => {
      waiting -= 1;
      if (waiting === 0) left.abort(signal.reason);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true, signal: over });
  }
  return left.signal;
}
