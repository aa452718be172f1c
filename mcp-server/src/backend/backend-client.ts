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

// A refusal, an unusable response and an overload of this process are no outages.
const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'network',
  'timeout',
  'status',
  'circuit-open',
]);

/** Stands in for a user while the backend is unavailable: no personal data, permission to read. */
const FALLBACK_USER = {
  email: 'customer@example.com',
  name: 'Customer',
  phone: null,
  roles: [],
  permissions: ['read'],
  createdAt: '1970-01-01T00:00:00.000Z',
  lastLoginAt: null,
};

/** A user, and whether the backend said so or it was made up because the backend is unavailable. */
export type UserDetails = User & { readonly source: 'backend' | 'fallback' };

/**
 * The backend's internal user API. The look-ups of one event-loop tick share a backend request.
 * Every method throws a `BackendError`, or the `signal.reason` of the caller.
 */
export class BackendClient {
  private readonly logger = new Logger(BackendClient.name);
  readonly calls: BackendCalls;
  private readonly users: UserLoader;
  private readonly usersWithAccounts: UserLoader;
  /**
   * Without it, one user's repeated calls would use up the misses that the backend allows this
   * server's key, and all users would be refused.
   */
  private readonly absentUsers = new ExpiringMap<true>(ABSENT_USER_LIFETIME_MS, MAX_ABSENT_USERS);

  /** Makes a client with connections of its own. */
  constructor(private readonly environment: BackendEnvironment) {
    const http = createBackendHttp(environment);
    const transport = new BackendTransport(http, new ApiKeySource(environment));
    this.calls = new BackendCalls(transport, environment);
    this.users = new UserLoader(this.calls, 'user');
    this.usersWithAccounts = new UserLoader(this.calls, 'user-accounts');
  }

  /** A user as the backend knows it, never a made-up one. */
  async getUser(id: string, options: CallOptions = {}): Promise<User> {
    const { user } = await this.call('user', id, () => this.users.load(id, options));
    return user;
  }

  /** A user; a made-up one if the backend is unavailable and fallback is on. */
  async getUserDetails(id: string, options: CallOptions = {}): Promise<UserDetails> {
    try {
      return { ...(await this.getUser(id, options)), source: 'backend' };
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

  /** Users in the order of `ids`, without those that don't exist. */
  async getUsers(ids: readonly string[]): Promise<User[]> {
    const possible = ids.filter((id) => USER_ID.test(id));
    const found = await this.calls.observeCall('user', () =>
      Promise.all(possible.map((id) => this.users.load(id, {}).catch(ignoreAbsence))),
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
    const path = `/api/internal/users/${id}/accounts${filter}`;
    const request = { method: 'GET', path, schema: accountsResponseSchema } as const;
    const send = () => this.calls.send('accounts', request, options);
    return (await this.call('accounts', id, send)).accounts;
  }

  /**
   * Sets a user's phone number (E.164). It is tried once: after a `BackendUnavailableError` it may
   * have been done or not.
   */
  async updatePhone(id: string, phone: string, options: CallOptions = {}): Promise<User> {
    const path = `/api/internal/users/${id}`;
    const body = { phone };
    const request = { method: 'PATCH', path, body, schema: userResponseSchema } as const;
    const send = () => this.calls.send('update', request, options);
    return (await this.call('update', id, send)).user;
  }

  /** Makes a call about one user, and remembers for a while that the user does not exist. */
  private call<Result>(
    route: BackendRoute,
    id: string,
    send: () => Promise<Result>,
  ): Promise<Result> {
    return this.calls.observeCall(route, async () => {
      // Checked before it becomes part of a URL: no id can lead to another route.
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
 * The client for programs without Nest, configured by the environment variables: the same one each
 * time, so that all callers share its connections.
 * @throws EnvironmentError
 */
export function getBackendClient(): BackendClient {
  client ??= new BackendClient(parseBackendEnvironment(process.env));
  return client;
}
