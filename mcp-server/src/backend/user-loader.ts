import DataLoader from 'dataloader';
import { abortable } from './abortable.js';
import type { BackendCalls } from './backend-calls.js';
import { BackendUnavailableError, UserNotFoundError } from './backend-errors.js';
import {
  type UserWithAccounts,
  userPageWithAccountsSchema,
  userWithAccountsSchema,
} from './backend-schemas.generated.js';
import type { CallOptions } from './backend-transport.js';

const USERS_PATH = '/api/internal/users';
// Ids per request: 100 ids of 64 characters fit in a URL of 8 KiB.
const MAX_IDS = 100;
// Fewer ids per request, so that the accounts of these users fit in a response of 256 KiB.
const MAX_IDS_WITH_ACCOUNTS = 25;

interface Lookup {
  readonly id: string;
  readonly options: CallOptions;
}

/** Loads users. The look-ups of one event-loop tick share a backend request; nothing is cached. */
export class UserLoader {
  private readonly loader: DataLoader<Lookup, UserWithAccounts>;
  private readonly include: string;

  constructor(
    private readonly calls: BackendCalls,
    private readonly route: 'user' | 'user-accounts',
  ) {
    const hasAccounts = route === 'user-accounts';
    this.include = hasAccounts ? 'include=accounts' : '';
    this.loader = new DataLoader((lookups) => this.loadBatch(lookups), {
      cache: false,
      maxBatchSize: hasAccounts ? MAX_IDS_WITH_ACCOUNTS : MAX_IDS,
      batchScheduleFn: (load) => setImmediate(load),
    });
  }

  /**
   * Loads a user. If one caller aborts, the shared request continues for the others.
   * @param id must match `USER_ID`, because it becomes part of a URL
   * @throws BackendError if the request fails; `signal.reason` if the signal aborts
   */
  load(id: string, options: CallOptions): Promise<UserWithAccounts> {
    return abortable(this.loader.load({ id, options }), options.signal);
  }

  private async loadBatch(lookups: readonly Lookup[]): Promise<(UserWithAccounts | Error)[]> {
    const ids = [...new Set(lookups.map(({ id }) => id))];
    const { signal, stop } = allAborted(lookups);
    // A shared request carries the request id and the trace of its first caller.
    const options = { ...lookups[0]?.options, signal };
    try {
      const users = await this.fetchUsers(ids, options);
      return lookups.map(({ id }) => users.get(id) ?? new UserNotFoundError());
    } catch (error) {
      if (ids.length === 1 || !isUnusable(error)) throw error;
      // Load each user separately: one invalid record must not affect the calls for other users.
      const each = await Promise.allSettled(lookups.map((lookup) => this.fetchUser(lookup)));
      return each.map((call) => (call.status === 'fulfilled' ? call.value : toError(call.reason)));
    } finally {
      stop();
    }
  }

  private async fetchUsers(
    ids: readonly string[],
    options: CallOptions,
  ): Promise<ReadonlyMap<string, UserWithAccounts>> {
    const [id] = ids;
    if (id !== undefined && ids.length === 1) {
      return new Map([[id, await this.fetchUser({ id, options })]]);
    }
    const path = `${USERS_PATH}?ids=${ids.join(',')}${this.include && `&${this.include}`}`;
    const request = { method: 'GET', path, schema: userPageWithAccountsSchema } as const;
    const page = await this.calls.send(this.route, request, { ...options, actingUser: undefined });
    const accounts = new Map(Object.entries(page.accounts ?? {}));
    return new Map(page.users.map((user) => [user.id, { user, accounts: accounts.get(user.id) }]));
  }

  private fetchUser({ id, options }: Lookup): Promise<UserWithAccounts> {
    const path = `${USERS_PATH}/${id}${this.include && `?${this.include}`}`;
    const request = { method: 'GET', path, schema: userWithAccountsSchema } as const;
    return this.calls.send(this.route, request, options);
  }
}

function isUnusable(error: unknown): boolean {
  return error instanceof BackendUnavailableError && error.reason === 'unusable-answer';
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/**
 * Returns a signal that aborts when all callers have aborted; undefined if a caller has no signal.
 * Call `stop` to remove the listeners, because a caller may use one signal for many look-ups.
 */
function allAborted(lookups: readonly Lookup[]): {
  readonly signal: AbortSignal | undefined;
  readonly stop: () => void;
} {
  const signals = lookups.flatMap(({ options }) => options.signal ?? []);
  if (signals.length < lookups.length) return { signal: undefined, stop: () => {} };
  if (signals.length === 1) return { signal: signals[0], stop: () => {} };
  const all = new AbortController();
  const abortIfAllAborted = () => {
    if (signals.every(({ aborted }) => aborted)) all.abort(signals[0]?.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', abortIfAllAborted);
  abortIfAllAborted();
  const stop = () => {
    for (const signal of signals) signal.removeEventListener('abort', abortIfAllAborted);
  };
  return { signal: all.signal, stop };
}
