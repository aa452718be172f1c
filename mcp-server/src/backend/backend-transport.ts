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

const MAX_RETRY_AFTER_MS = 86_400_000;
const MAX_ISSUES = 5;
const WARNING_INTERVAL_MS = 3_600_000;

export interface BackendRequest<Result> {
  readonly method: 'GET' | 'PATCH';
  /** The path with the query string. */
  readonly path: string;
  readonly body?: unknown;
  /** Validates the response body. */
  readonly schema: z.ZodType<Result>;
}

export interface CallOptions {
  readonly requestId?: string;
  /** The user on whose behalf the call is made, for the backend's audit trail. */
  readonly actingUser?: string;
  /** The caller's trace context. It is forwarded unchanged if this server creates no spans. */
  readonly trace?: TraceHeaders;
  /** Aborts when no caller waits for the response any more. */
  readonly signal?: AbortSignal;
}

/** Sends single requests with the API key and validates the responses. */
export class BackendTransport {
  private readonly logger = new Logger(BackendTransport.name);
  private warnedAt = -WARNING_INTERVAL_MS;

  constructor(
    private readonly http: HttpService,
    private readonly keys: ApiKeySource,
  ) {}

  /** @throws BackendError if the request fails; `signal.reason` if the signal aborts */
  async send<Result>(request: BackendRequest<Result>, options: CallOptions): Promise<Result> {
    const key = this.keys.current;
    let response = await this.request(request, options, key);
    if (response.status === 401) {
      // Retry only with a new key: repeated failures with the same key look like an attack.
      if (await this.keys.hasReplaced(key)) {
        response = await this.request(request, options, this.keys.current);
      }
    } else if (response.headers.deprecation !== undefined) {
      // The key file may already contain the new key.
      if (!(await this.keys.hasReplaced(key))) this.warnOfDeprecation(response.headers);
    }
    if (response.status !== 200) throw this.errorOf(response);
    return this.parse(response.data, request.schema);
  }

  private async request(
    { method, path, body }: BackendRequest<unknown>,
    { requestId, actingUser, trace, signal }: CallOptions,
    key: string,
  ): Promise<AxiosResponse<string>> {
    try {
      return await this.http.axiosRef.request<string>({
        method,
        url: path,
        data: body === undefined ? undefined : JSON.stringify(body),
        headers: {
          'content-type': body === undefined ? undefined : 'application/json',
          'x-api-key': key,
          'x-request-id': requestId,
          'x-acting-user': actingUser,
          ...trace,
          // With tracing on, this server's span replaces the caller's span as the parent.
          ...traceHeaders(),
        },
        signal,
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof errors.ResponseExceededMaxSizeError) {
        throw this.reject('the body is too large');
      }
      // Network errors have a `code`, even if the connection was lost in the middle of a response.
      const isNetworkFault = error instanceof Error && 'code' in error;
      // Sets no `cause`, because the HTTP client's error may contain the headers and the API key.
      throw new BackendUnavailableError(isNetworkFault ? 'network' : 'unusable-answer');
    }
  }

  private parse<Result>(text: string, schema: z.ZodType<Result>): Result {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw this.reject('the body is not JSON');
    }
    const { success, data, error } = schema.safeParse(json);
    if (success) return data;
    // zod's messages are safe to log: they contain types and patterns but no values.
    const issues = error.issues
      .slice(0, MAX_ISSUES)
      .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
    throw this.reject(issues.join('; '));
  }

  private errorOf({ status, headers }: AxiosResponse): BackendError {
    const details = { status, retryAfterMs: parseRetryAfter(String(headers['retry-after'])) };
    if (status === 401 || status === 403) return new BackendUnauthorizedError(status);
    if (status === 404) return new UserNotFoundError();
    if (status === 429) return new BackendUnavailableError('rate-limited', details);
    if (status >= 500) return new BackendUnavailableError('status', details);
    if (status >= 400) return new BackendRejectedError(status);
    if (status >= 300) return new BackendUnavailableError('redirect', details);
    return this.reject(`the status is ${status}`);
  }

  /** @param reason text for the log, without personal data from the response */
  private reject(reason: string): BackendUnavailableError {
    this.logger.warn(`A response of the backend was rejected: ${reason}`);
    return new BackendUnavailableError('unusable-answer');
  }

  /** Warns at most hourly, with the dates of `Deprecation` (RFC 9745) and `Sunset` (RFC 8594). */
  private warnOfDeprecation({ deprecation, sunset }: AxiosResponse['headers']): void {
    if (performance.now() - this.warnedAt < WARNING_INTERVAL_MS) return;
    this.warnedAt = performance.now();
    const replacedAt = Number(/^@(\d{1,10})$/.exec(String(deprecation))?.[1]) * 1000;
    const on = describeTime(' on', replacedAt);
    const from = describeTime(' and will be refused from', Date.parse(String(sunset)));
    this.logger.warn(
      `The key for the backend was replaced${on}${from}: give this server the new key.`,
    );
  }
}

// Formats the parsed time, because the header's text is unchecked and must not go into the log.
function describeTime(words: string, time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : `${words} ${date.toISOString()}`;
}

/** Converts `Retry-After` (seconds or a date) into milliseconds, 24 hours at most. */
function parseRetryAfter(text: string): number | undefined {
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return milliseconds > 0 ? Math.min(milliseconds, MAX_RETRY_AFTER_MS) : undefined;
}
