import { type TraceHeaders, traceHeaders } from '@latchkey/tracing/spans';
import type { HttpService } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import type { AxiosResponse } from 'axios';
import { errors } from 'undici';
import type { z } from 'zod';
import type { ApiKeySource } from '../config/api-key-source.js';
import {
  type BackendError,
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
} from './backend-errors.js';
import { DeprecationNotice } from './deprecation-notice.js';

const MAX_RETRY_AFTER_MS = 86_400_000;
const MAX_ISSUES = 5;

export interface BackendRequest<Answer> {
  readonly method: 'GET' | 'PATCH';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly answer: z.ZodType<Answer>;
}

/** Fields that link the backend's log lines to the tool call. */
export interface Origin {
  readonly requestId?: string | undefined;
  /** The user on whose behalf the call is made, for the backend's audit trail. */
  readonly actingUser?: string | undefined;
  /** Passed on as it came, unless this server makes spans of its own. */
  readonly trace?: TraceHeaders | undefined;
}

/**
 * Sends single requests with the key, and turns whatever comes back into a checked answer or a
 * `BackendError`.
 */
export class BackendTransport {
  private readonly logger = new Logger(BackendTransport.name);
  private readonly deprecation = new DeprecationNotice();

  constructor(
    private readonly http: HttpService,
    private readonly keys: ApiKeySource,
  ) {}

  /** @throws BackendError, or `signal.reason`. */
  async send<Answer>(
    request: BackendRequest<Answer>,
    origin: Origin,
    signal: AbortSignal,
  ): Promise<Answer> {
    const key = this.keys.current;
    let response = await this.request(request, origin, key, signal);
    if (response.status === 401) {
      // Someone may have rotated the key. Asking again with the same one would only look like an
      // attack.
      await this.keys.refresh();
      if (this.keys.current !== key) {
        response = await this.request(request, origin, this.keys.current, signal);
      }
    } else if (response.headers.deprecation !== undefined) {
      // The file may have the key's successor already.
      await this.keys.refresh();
      if (this.keys.current === key) this.deprecation.give(response.headers);
    }
    return this.readAnswer(response, request.answer);
  }

  private async request(
    { method, path, body }: BackendRequest<unknown>,
    { requestId, actingUser, trace }: Origin,
    key: string,
    signal: AbortSignal,
  ): Promise<AxiosResponse<string>> {
    try {
      return await this.http.axiosRef.request<string>({
        method,
        url: path,
        ...(body === undefined ? {} : { data: JSON.stringify(body) }),
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          'x-api-key': key,
          ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
          ...(actingUser === undefined ? {} : { 'x-acting-user': actingUser }),
          ...trace,
          // Below this server's own span, where spans are made.
          ...traceHeaders(),
        },
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      // A new error without a cause: that of the HTTP client may hold the headers, and so the key.
      throw this.unavailable(error);
    }
  }

  // An answer that breaks off is a network fault too: the backend may just have been stopped.
  private unavailable(error: unknown): BackendUnavailableError {
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      return this.reject('the body is too large');
    }
    const isNetworkFault = error instanceof Error && 'code' in error;
    return isNetworkFault
      ? new BackendUnavailableError('network', true)
      : new BackendUnavailableError('unusable-answer', false);
  }

  private readAnswer<Answer>(response: AxiosResponse<string>, schema: z.ZodType<Answer>): Answer {
    const { status } = response;
    if (status !== 200) throw this.errorOf(response);
    const json = parseJson(response.data);
    if (json === undefined) throw this.reject('the body is not JSON');
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    throw this.reject(describeIssues(parsed.error));
  }

  private errorOf(response: AxiosResponse): BackendError {
    const { status } = response;
    if (status === 401 || status === 403) return new BackendUnauthorizedError(status);
    if (status === 404) return new UserNotFoundError();
    if (status === 429) {
      return new BackendUnavailableError('rate-limited', true, { status, ...retryAfter(response) });
    }
    if (status >= 500) {
      const retryable = [502, 503, 504].includes(status);
      return new BackendUnavailableError('status', retryable, { status, ...retryAfter(response) });
    }
    if (status >= 400) return new BackendRejectedError(status);
    if (status >= 300) return new BackendUnavailableError('redirect', false, { status });
    return this.reject(`the status is ${status}`, status);
  }

  /** @param reason without any value of the answer, which may be personal data */
  private reject(reason: string, status?: number): BackendUnavailableError {
    this.logger.warn(`A response of the backend was rejected: ${reason}`);
    const details = status === undefined ? {} : { status };
    return new BackendUnavailableError('unusable-answer', false, details);
  }
}

/** The value of a JSON text, or undefined for any other text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Paths and expectations of the first issues. Zod's messages name types and patterns, no values.
 */
function describeIssues({ issues }: z.ZodError): string {
  const lines = issues
    .slice(0, MAX_ISSUES)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  return lines.join('; ');
}

/** `Retry-After` in seconds or as a date; 24 hours at most. */
function retryAfter({ headers }: AxiosResponse): { retryAfterMs?: number } {
  const text = String(headers['retry-after'] ?? '');
  const retryAfterMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return retryAfterMs > 0 ? { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) } : {};
}
