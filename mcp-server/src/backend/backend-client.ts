import { USER_ID } from '@latchkey/access-tokens/user-id';
import { Logger } from '@nestjs/common';
import { ApiKeySource } from '../config/api-key-source.js';
import { type BackendEnvironment, parseBackendEnvironment } from '../config/environment.js';
import { ExpiringMap } from '../expiring-map.js';
import { BackendCalls, type BackendRoute } from './backend-calls.js';
import {
  BackendUnavailableError,
  type UnavailableReason,
  UserNotFoundError,
} from './backend-errors.js';
import { createBackendHttp } from './backend-http.js';
import {
  type Account,
  type User,
  accountsResponseSchema,
  userResponseSchema,
} from './backend-schemas.generated.js';
import { BackendTransport, type CallOptions } from './backend-transport.js';
import { UserLoader } from './user-loader.js';

const ABSENT_USER_LIFETIME_MS = 10_000;
const MAX_ABSENT_USERS = 10_000;

// Failures for these reasons count as outages. Only an outage allows fallback data.
const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'network',
  'timeout',
  'status',
  'circuit-open',
]);

/** Replaces any user while the backend is down. It has no personal data and may only read. */
const FALLBACK_USER = {
  email: 'customer@example.com',
  name: 'Customer',
  phone: null,
  roles: [],
  permissions: ['read'],
  createdAt: '1970-01-01T00:00:00.000Z',
  lastLoginAt: null,
};

/** A user, and whether the data come from the backend or are fallback data. */
export type UserDetails = User & { readonly source: 'backend' | 'fallback' };

/**
 * The backend's internal user API. The look-ups of one event-loop tick share a backend request.
 * Every method throws a `BackendError`, or `signal.reason` if the caller's signal aborts.
 */
export class BackendClient {
  private readonly logger = new Logger(BackendClient.name);
  readonly calls: BackendCalls;
  private readonly users: UserLoader;
  private readonly usersWithAccounts: UserLoader;
  /**
   * Ids of users that do not exist. Repeated calls with the token of a deleted user must not use up
   * the limits of this server's API key, which all users share.
   */
  private readonly absentUsers = new ExpiringMap<true>(ABSENT_USER_LIFETIME_MS, MAX_ABSENT_USERS);

  /** Creates a client with its own connection pool. */
  constructor(private readonly environment: BackendEnvironment) {
    const http = createBackendHttp(environment);
    const transport = new BackendTransport(http, new ApiKeySource(environment));
    this.calls = new BackendCalls(transport, environment);
    this.users = new UserLoader(this.calls, 'user');
    this.usersWithAccounts = new UserLoader(this.calls, 'user-accounts');
  }

  /** Returns a user from the backend, never fallback data. */
  async getUser(id: string, options: CallOptions = {}): Promise<User> {
    const { user } = await this.call('user', id, () => this.users.load(id, options));
    return user;
  }

  /** Returns a user, or fallback data if the backend is down and `BACKEND_FALLBACK` is `mock`. */
  async getUserDetails(id: string, options: CallOptions = {}): Promise<UserDetails> {
    try {
      return { ...(await this.getUser(id, options)), source: 'backend' };
    } catch (error) {
      return this.fallBack(id, error);
    }
  }

  /** Like `getUserDetails`, plus the accounts, oldest first. Accounts are never fallback data. */
  async getUserWithAccounts(
    id: string,
    options: CallOptions = {},
  ): Promise<{ readonly user: UserDetails; readonly accounts: readonly Account[] }> {
    try {
      return await this.call('user-accounts', id, async () => {
        const { user, accounts } = await this.usersWithAccounts.load(id, options);
        if (accounts === undefined) throw new BackendUnavailableError('unusable-answer');
        return { user: { ...user, source: 'backend' }, accounts };
      });
    } catch (error) {
      const user = this.fallBack(id, error);
      return { user, accounts: await this.getAccounts(id, undefined, options) };
    }
  }

  /** Returns users in the order of `ids`. Users that do not exist are omitted. */
  async getUsers(ids: readonly string[]): Promise<User[]> {
    const possible = ids.filter((id) => USER_ID.test(id));
    const found = await this.calls.observeCall('user', () =>
      Promise.all(possible.map((id) => this.users.load(id, {}).catch(ignoreAbsence))),
    );
    return found.flatMap((each) => each?.user ?? []);
  }

  /** Returns a user's accounts, oldest first. If `type` is given, omits accounts of other types. */
  async getAccounts(
    id: string,
    type?: Account['type'],
    options: CallOptions = {},
  ): Promise<Account[]> {
    const filter = type === undefined ? '' : `?type=${type}`;
    const path = `/api/internal/users/${id}/accounts${filter}`;
    const request = { method: 'GET', path, schema: accountsResponseSchema } as const;
    const send = () => this.calls.send('accounts', request, options);
    return (await this.call('accounts', id, send)).accounts;
  }

  /**
   * Sets a user's phone number (E.164), without retries. After a `BackendUnavailableError`, the
   * number may or may not have changed.
   */
  async updatePhone(id: string, phone: string, options: CallOptions = {}): Promise<User> {
    const path = `/api/internal/users/${id}`;
    const body = { phone };
    const request = { method: 'PATCH', path, body, schema: userResponseSchema } as const;
    const send = () => this.calls.send('update', request, options);
    return (await this.call('update', id, send)).user;
  }

  /** Makes a call about one user. If the user does not exist, caches the id for 10 s. */
  private call<Result>(
    route: BackendRoute,
    id: string,
    send: () => Promise<Result>,
  ): Promise<Result> {
    return this.calls.observeCall(route, async () => {
      // The id becomes part of a URL path: an unchecked id could address another route.
      if (!USER_ID.test(id) || this.absentUsers.get(id)) throw new UserNotFoundError();
      try {
        return await send();
      } catch (error) {
        if (error instanceof UserNotFoundError) this.absentUsers.set(id, true);
        throw error;
      }
    });
  }

  private fallBack(id: string, error: unknown): UserDetails {
    const isOutage = error instanceof BackendUnavailableError && OUTAGES.has(error.reason);
    if (this.environment.BACKEND_FALLBACK !== 'mock' || !isOutage) throw error;
    this.logger.warn(`Answering with fallback data: ${error.message}`);
    return { id, ...FALLBACK_USER, source: 'fallback' };
  }
}

function ignoreAbsence(error: unknown): undefined {
  if (!(error instanceof UserNotFoundError)) throw error;
}

let client: BackendClient | undefined;

/**
 * Returns a client for programs without Nest, and configures it with the environment variables.
 * Each call returns the same client, so that all callers share its connections.
 * @throws EnvironmentError
 */
export function getBackendClient(): BackendClient {
  client ??= new BackendClient(parseBackendEnvironment(process.env));
  return client;
}
