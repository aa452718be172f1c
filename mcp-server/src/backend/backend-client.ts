import { USER_ID } from '@latchkey/access-tokens/user-id';
import { inSpan } from '@latchkey/tracing/spans';
import { HttpService } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import axios from 'axios';
import DataLoader from 'dataloader';
import type { BackendEnvironment } from '../config/environment.js';
import { AbsentUsers } from './absent-users.js';
import { ApiKeySource } from './api-key-source.js';
import { axiosSettings } from './axios-settings.js';
import {
  BackendUnavailableError,
  type UnavailableReason,
  UserNotFoundError,
} from './backend-errors.js';
import {
  outcomeOf,
  type BackendObserver,
  type BackendOutcome,
  type BackendRoute,
} from './backend-observer.js';
import {
  accountsAnswerSchema,
  userAnswerSchema,
  userPageSchema,
  type Account,
  type User,
} from './backend-schemas.generated.js';
import { BackendTransport, type BackendRequest, type Origin } from './backend-transport.js';
import { CallPolicy, SharedCapacity } from './call-policy.js';
import { createFallbackUser } from './fallback-user.js';

// So many ids of the greatest length fit in the 2048 characters of a URL that the backend takes.
const MAX_IDS_IN_URL = 28;
const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'network',
  'timeout',
  'status',
  'circuit-open',
]);

/** A user, and whether the backend said so or it was made up because the backend is unavailable. */
export type UserDetails = User & { readonly source: 'backend' | 'fallback' };

export interface CallOptions extends Origin {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** The backend's internal user API. Every method throws a `BackendError`, or the reason of an aborted signal. */
export class BackendClient {
  private readonly logger = new Logger(BackendClient.name);
  private readonly observers: BackendObserver[] = [];
  private readonly capacity = new SharedCapacity();
  private readonly absentUsers = new AbsentUsers();
  private readonly policies: Readonly<Record<BackendRoute, CallPolicy>>;
  private readonly batches = new DataLoader<string, User | undefined>(
    (ids) => this.loadUsers(ids),
    {
      cache: false,
      maxBatchSize: MAX_IDS_IN_URL,
      batchScheduleFn: (load) => setImmediate(load),
    },
  );

  constructor(
    private readonly transport: BackendTransport,
    private readonly environment: BackendEnvironment,
  ) {
    const limits = {
      responseTimeoutMs: environment.BACKEND_RESPONSE_TIMEOUT_MS,
      totalTimeoutMs: environment.BACKEND_TOTAL_TIMEOUT_MS,
    };
    this.policies = {
      user: new CallPolicy(limits, this.capacity),
      users: new CallPolicy(limits, this.capacity),
      accounts: new CallPolicy(limits, this.capacity),
      update: new CallPolicy(limits, this.capacity),
    };
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
    const settings = axiosSettings(BACKEND_API_URL, BACKEND_CONNECT_TIMEOUT_MS);
    const http = new HttpService(axios.create(settings));
    return new BackendClient(new BackendTransport(http, keys), environment);
  }

  /** Tells an observer of all that is asked of the backend from now on. */
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

  /** A user; a made-up one, with `source: 'fallback'`, if the backend is unavailable and fallback is on. */
  async getUserDetails(id: string, options: CallOptions = {}): Promise<UserDetails> {
    const request = { method: 'GET', path: userPath(id), answer: userAnswerSchema } as const;
    try {
      const { user } = await this.callAbout(id, 'user', request, options);
      return { ...user, source: 'backend' };
    } catch (error) {
      if (this.environment.BACKEND_FALLBACK !== 'mock' || !isOutage(error)) throw error;
      this.logger.warn(`Answering with fallback data: ${error.message}`);
      return { ...createFallbackUser(id), source: 'fallback' };
    }
  }

  /** Users in the order of `ids`, without those that don't exist. Calls of the same turn share a request. */
  async getUsers(ids: readonly string[]): Promise<User[]> {
    const possible = ids.filter((id) => USER_ID.test(id));
    const users = await Promise.all(possible.map((id) => this.batches.load(id)));
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
      path: `${userPath(id)}/accounts`,
      ...(type === undefined ? {} : { query: { type } }),
      answer: accountsAnswerSchema,
    } as const;
    return (await this.callAbout(id, 'accounts', request, options)).accounts;
  }

  /**
   * Sets a user's phone number (E.164). It is tried once: after a `BackendUnavailableError` it may have been done
   * or not.
   */
  async updatePhone(id: string, phone: string, options: CallOptions = {}): Promise<User> {
    const path = userPath(id);
    const request = { method: 'PATCH', path, body: { phone }, answer: userAnswerSchema } as const;
    return (await this.callAbout(id, 'update', request, options)).user;
  }

  private async loadUsers(ids: readonly string[]): Promise<(User | undefined)[]> {
    const request = {
      method: 'GET',
      path: '/api/internal/users',
      query: { ids: [...new Set(ids)].join(',') },
      answer: userPageSchema,
    } as const;
    const { users } = await this.watchCall('users', () => this.send('users', request, {}));
    const byId = new Map(users.map((user) => [user.id, user]));
    return ids.map((id) => byId.get(id));
  }

  private callAbout<Answer>(
    userId: string,
    route: BackendRoute,
    request: BackendRequest<Answer>,
    options: CallOptions,
  ): Promise<Answer> {
    // Outside the policy: an answer from memory says nothing about the backend's health.
    return this.watchCall(route, () =>
      this.absentUsers.guard(userId, () => this.send(route, request, options)),
    );
  }

  private send<Answer>(
    route: BackendRoute,
    request: BackendRequest<Answer>,
    { signal: left, ...origin }: CallOptions,
  ): Promise<Answer> {
    let requests = 0;
    const attempt = (signal: AbortSignal) => {
      if (requests > 0) for (const observer of this.observers) observer.onRetry(route);
      requests += 1;
      return this.watch(
        () =>
          inSpan({ name: `backend ${route}`, kind: 'client' }, () =>
            this.transport.send(request, origin, signal),
          ),
        (observer, outcome, durationMs) => observer.onRequest(route, outcome, durationMs),
      );
    };
    const repeatable = request.method === 'GET';
    return this.policies[route].run({ attempt, repeatable, signal: left });
  }

  private watchCall<Answer>(route: BackendRoute, call: () => Promise<Answer>): Promise<Answer> {
    return this.watch(call, (observer, outcome) => observer.onCall(route, outcome));
  }

  private async watch<Answer>(
    work: () => Promise<Answer>,
    tell: (observer: BackendObserver, outcome: BackendOutcome, durationMs: number) => void,
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
      for (const observer of this.observers) tell(observer, outcome, durationMs);
    }
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
