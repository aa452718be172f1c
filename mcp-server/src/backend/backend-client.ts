import { USER_ID } from '@latchkey/access-tokens/user-id';
import { Logger } from '@nestjs/common';
import type { BackendEnvironment } from '../config/environment.js';
import { AbsentUsers } from './absent-users.js';
import { ApiKeySource } from '../config/api-key-source.js';
import { BackendCalls, type CallOptions } from './backend-calls.js';
import {
  BackendUnavailableError,
  type UnavailableReason,
  UserNotFoundError,
} from './backend-errors.js';
import { createBackendHttp } from './backend-http.js';
import type { BackendRoute } from './backend-observer.js';
import {
  accountsResponseSchema,
  userResponseSchema,
  type Account,
  type User,
} from './backend-schemas.generated.js';
import { BackendTransport, type BackendRequest } from './backend-transport.js';
import { createFallbackUser } from './fallback-user.js';
import { UserLookups } from './user-lookups.js';

const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'network',
  'timeout',
  'status',
  'circuit-open',
]);

/** A user, and whether the backend said so or it was made up because the backend is unavailable. */
export type UserDetails = User & { readonly source: 'backend' | 'fallback' };

/** The backend's internal user API. Every method throws a `BackendError`, or the reason of an aborted signal. */
export class BackendClient {
  private readonly logger = new Logger(BackendClient.name);
  readonly calls: BackendCalls;
  private readonly users: UserLookups;
  private readonly absentUsers = new AbsentUsers();

  constructor(
    transport: BackendTransport,
    private readonly environment: BackendEnvironment,
  ) {
    this.calls = new BackendCalls(transport, {
      responseTimeoutMs: environment.BACKEND_RESPONSE_TIMEOUT_MS,
      totalTimeoutMs: environment.BACKEND_TOTAL_TIMEOUT_MS,
    });
    this.users = new UserLookups(this.calls);
  }

  /** Makes a client with connections of its own. */
  static create(environment: BackendEnvironment): BackendClient {
    const { BACKEND_API_URL, BACKEND_CONNECT_TIMEOUT_MS, NODE_ENV } = environment;
    const { INTERNAL_API_KEY, INTERNAL_API_KEY_FILE } = environment;
    const keys = new ApiKeySource(
      INTERNAL_API_KEY,
      INTERNAL_API_KEY_FILE,
      NODE_ENV === 'production',
    );
    const http = createBackendHttp(BACKEND_API_URL, BACKEND_CONNECT_TIMEOUT_MS);
    return new BackendClient(new BackendTransport(http, keys), environment);
  }

  /**
   * A user; a made-up one, with `source: 'fallback'`, if the backend is unavailable and fallback is
   * on. The calls of one event-loop tick share a backend request.
   */
  async getUserDetails(id: string, options: CallOptions = {}): Promise<UserDetails> {
    try {
      const user = await this.callAbout(id, 'user', () => this.findUser(id, options));
      return { ...user, source: 'backend' };
    } catch (error) {
      if (this.environment.BACKEND_FALLBACK !== 'mock' || !isOutage(error)) throw error;
      this.logger.warn(`Answering with fallback data: ${error.message}`);
      return { ...createFallbackUser(id), source: 'fallback' };
    }
  }

  /** Users in the order of `ids`, without those that don't exist. */
  async getUsers(ids: readonly string[]): Promise<User[]> {
    const possible = ids.filter((id) => USER_ID.test(id));
    const users = await this.calls.watchCall('users', () =>
      Promise.all(possible.map((id) => this.users.find(id, {}))),
    );
    return users.filter((user) => user !== undefined);
  }

  /** A user's accounts, oldest first; of one type, if one is given. Never made up. */
  async getAccounts(
    id: string,
    type?: Account['type'],
    options: CallOptions = {},
  ): Promise<Account[]> {
    const request = {
      method: 'GET',
      path: `${userPath(id)}/accounts${type === undefined ? '' : `?type=${type}`}`,
      answer: accountsResponseSchema,
    } as const;
    return (await this.send(id, 'accounts', request, options)).accounts;
  }

  /**
   * Sets a user's phone number (E.164). It is tried once: after a `BackendUnavailableError` it may have been done
   * or not.
   */
  async updatePhone(id: string, phone: string, options: CallOptions = {}): Promise<User> {
    const path = userPath(id);
    const request = { method: 'PATCH', path, body: { phone }, answer: userResponseSchema } as const;
    return (await this.send(id, 'update', request, options)).user;
  }

  private async findUser(id: string, options: CallOptions): Promise<User> {
    const user = await this.users.find(checkedId(id), options);
    if (user === undefined) throw new UserNotFoundError();
    return user;
  }

  private send<Answer>(
    userId: string,
    route: BackendRoute,
    request: BackendRequest<Answer>,
    options: CallOptions,
  ): Promise<Answer> {
    return this.callAbout(userId, route, () => this.calls.send(route, request, options));
  }

  // Outside the policy: an answer from memory says nothing about the backend's health.
  private callAbout<Answer>(
    userId: string,
    route: BackendRoute,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    return this.calls.watchCall(route, () => this.absentUsers.guard(userId, call));
  }
}

/** Not what the backend refuses or answers in a way of its own, nor what this process has no room for. */
function isOutage(error: unknown): error is BackendUnavailableError {
  return error instanceof BackendUnavailableError && OUTAGES.has(error.reason);
}

// Checked before it becomes part of a URL: no id can lead to another route.
function checkedId(id: string): string {
  if (!USER_ID.test(id)) throw new UserNotFoundError();
  return id;
}

function userPath(id: string): string {
  return `/api/internal/users/${checkedId(id)}`;
}
