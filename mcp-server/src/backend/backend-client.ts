import { USER_ID } from '@latchkey/access-tokens/user-id';
import { Logger } from '@nestjs/common';
import { ApiKeySource } from '../config/api-key-source.js';
import type { BackendEnvironment } from '../config/environment.js';
import { ExpiringMap } from '../expiring-map.js';
import { BackendCalls, type BackendRoute, type CallOptions } from './backend-calls.js';
import {
  BackendUnavailableError,
  type UnavailableReason,
  UserNotFoundError,
} from './backend-errors.js';
import { createBackendHttp } from './backend-http.js';
import {
  type Account,
  type User,
  type UserWithAccounts,
  accountsResponseSchema,
  userResponseSchema,
} from './backend-schemas.generated.js';
import { BackendTransport } from './backend-transport.js';
import { createFallbackUser } from './fallback-user.js';
import { UserLookups } from './user-lookups.js';

const ABSENT_USER_LIFETIME_MS = 10_000;
const MAX_ABSENT_USERS = 10_000;

// Not what the backend refuses or answers in a way of its own, nor what this process has no room
// for.
const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'network',
  'timeout',
  'status',
  'circuit-open',
]);

/** A user, and whether the backend said so or it was made up because the backend is unavailable. */
export type UserDetails = User & { readonly source: 'backend' | 'fallback' };

/**
 * The backend's internal user API. Every method throws a `BackendError`, or the
 * `signal.reason` of the caller.
 */
export class BackendClient {
  private readonly logger = new Logger(BackendClient.name);
  readonly calls: BackendCalls;
  private readonly users: UserLookups;
  private readonly usersWithAccounts: UserLookups;
  /**
   * Without it, one user's repeated calls would use up the misses that the backend allows this
   * server's key, and all users would be refused.
   */
  private readonly absentUsers = new ExpiringMap<true>(ABSENT_USER_LIFETIME_MS, MAX_ABSENT_USERS);

  /** Makes a client with connections of its own. */
  constructor(private readonly environment: BackendEnvironment) {
    const http = createBackendHttp(
      environment.BACKEND_API_URL,
      environment.BACKEND_CONNECT_TIMEOUT_MS,
    );
    const transport = new BackendTransport(http, new ApiKeySource(environment));
    this.calls = new BackendCalls(transport, {
      responseTimeoutMs: environment.BACKEND_RESPONSE_TIMEOUT_MS,
      totalTimeoutMs: environment.BACKEND_TOTAL_TIMEOUT_MS,
    });
    this.users = new UserLookups(this.calls, 'user');
    this.usersWithAccounts = new UserLookups(this.calls, 'user-accounts');
  }

  /**
   * A user; a made-up one, with `source: 'fallback'`, if the backend is unavailable and fallback is
   * on. The calls of one event-loop tick share a backend request.
   */
  async getUserDetails(id: string, options: CallOptions = {}): Promise<UserDetails> {
    try {
      const { user } = await this.callAbout(id, 'user', () => find(this.users, id, options));
      return { ...user, source: 'backend' };
    } catch (error) {
      return this.fallBack(id, error);
    }
  }

  /** As `getUserDetails`, with the user's accounts, oldest first. Accounts are never made up. */
  async getUserWithAccounts(
    id: string,
    options: CallOptions = {},
  ): Promise<{ readonly user: UserDetails; readonly accounts: readonly Account[] }> {
    try {
      return await this.callAbout(id, 'user-accounts', async () => {
        const { user, accounts } = await find(this.usersWithAccounts, id, options);
        if (accounts === undefined) throw new BackendUnavailableError('unusable-answer', false);
        return { user: { ...user, source: 'backend' }, accounts };
      });
    } catch (error) {
      const user = this.fallBack(id, error);
      return { user, accounts: await this.getAccounts(id, undefined, options) };
    }
  }

  /** Users in the order of `ids`, without those that don't exist. */
  async getUsers(ids: readonly string[]): Promise<User[]> {
    const possible = ids.filter((id) => USER_ID.test(id));
    const found = await this.calls.watchCall('user', () =>
      Promise.all(possible.map((id) => this.users.find(id, {}))),
    );
    return found.flatMap((each) => each?.user ?? []);
  }

  /** A user's accounts, oldest first; of one type, if one is given. */
  async getAccounts(
    id: string,
    type?: Account['type'],
    options: CallOptions = {},
  ): Promise<Account[]> {
    const filter = type === undefined ? '' : `?type=${type}`;
    const request = { method: 'GET', answer: accountsResponseSchema } as const;
    const { accounts } = await this.callAbout(id, 'accounts', () =>
      this.calls.send(
        'accounts',
        { ...request, path: `${userPath(id)}/accounts${filter}` },
        options,
      ),
    );
    return accounts;
  }

  /**
   * Sets a user's phone number (E.164). It is tried once: after a `BackendUnavailableError` it may
   * have been done or not.
   */
  async updatePhone(id: string, phone: string, options: CallOptions = {}): Promise<User> {
    const request = { method: 'PATCH', body: { phone }, answer: userResponseSchema } as const;
    const { user } = await this.callAbout(id, 'update', () =>
      this.calls.send('update', { ...request, path: userPath(id) }, options),
    );
    return user;
  }

  private fallBack(id: string, error: unknown): UserDetails {
    const isOutage = error instanceof BackendUnavailableError && OUTAGES.has(error.reason);
    if (this.environment.BACKEND_FALLBACK !== 'mock' || !isOutage) throw error;
    this.logger.warn(`Answering with fallback data: ${error.message}`);
    return { ...createFallbackUser(id), source: 'fallback' };
  }

  // Outside the policy: an answer from memory says nothing about the backend's health.
  private callAbout<Answer>(
    id: string,
    route: BackendRoute,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    return this.calls.watchCall(route, async () => {
      if (this.absentUsers.get(id)) throw new UserNotFoundError();
      try {
        return await call();
      } catch (error) {
        if (error instanceof UserNotFoundError) this.absentUsers.set(id, true);
        throw error;
      }
    });
  }
}

async function find(
  users: UserLookups,
  id: string,
  options: CallOptions,
): Promise<UserWithAccounts> {
  const found = await users.find(checkedId(id), options);
  if (found === undefined) throw new UserNotFoundError();
  return found;
}

// Checked before it becomes part of a URL: no id can lead to another route.
function checkedId(id: string): string {
  if (!USER_ID.test(id)) throw new UserNotFoundError();
  return id;
}

function userPath(id: string): string {
  return `/api/internal/users/${checkedId(id)}`;
}
