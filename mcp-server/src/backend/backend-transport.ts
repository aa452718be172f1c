import { traceHeaders } from '@latchkey/tracing/spans';
import type { HttpService } from '@nestjs/axios';
import { isAxiosError, type AxiosResponse } from 'axios';
import type { z } from 'zod';
import type { ApiKeySource } from './api-key-source.js';
import {
  BackendRejectedError,
  BackendUnauthorizedError,
  BackendUnavailableError,
  UserNotFoundError,
} from './backend-errors.js';
import { DeprecationNotice } from './deprecation-notice.js';
import type { TraceContext } from './trace-context.js';

const MAX_RETRY_AFTER_MS = 86_400_000;

export interface BackendRequest<Answer> {
  readonly method: 'GET' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly answer: z.ZodType<Answer>;
}

/** What the backend's log should know about the call that a request belongs to. */
export interface Origin {
  readonly requestId?: string | undefined;
  readonly trace?: TraceContext | undefined;
}

/** Sends single requests with the key, and turns whatever comes back into a checked answer or a `BackendError`. */
export class BackendTransport {
  private readonly deprecation = new DeprecationNotice();

  constructor(
    private readonly http: HttpService,
    private readonly keys: ApiKeySource,
  ) {}

  /** @throws BackendError, or the reason of `signal`. */
  async send<Answer>(
    request: BackendRequest<Answer>,
    origin: Origin,
    signal: AbortSignal,
  ): Promise<Answer> {
    const key = this.keys.current;
    let response = await this.request(request, origin, key, signal);
    if (response.status === 401) {
      // Someone may have rotated the key. Asking again with the same one would only look like an attack.
      await this.keys.refresh();
      if (this.keys.current !== key) {
        response = await this.request(request, origin, this.keys.current, signal);
      }
    } else if (response.headers.deprecation !== undefined) {
      // The file may have the key's successor already.
      await this.keys.refresh();
      if (this.keys.current === key) this.deprecation.give(response.headers);
    }
    return readAnswer(response, request.answer);
  }

  private async request(
    { method, path, query, body }: BackendRequest<unknown>,
    { requestId, trace }: Origin,
    key: string,
    signal: AbortSignal,
  ): Promise<AxiosResponse<string>> {
    try {
      return await this.http.axiosRef.request<string>({
        method,
        url: path,
        params: query,
        data: body,
        headers: {
          'x-api-key': key,
          ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
          ...trace,
          // Below this server's own span, where spans are made.
          ...traceHeaders(),
        },
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      // A new error without a cause: axios's own one holds the headers, and so the key.
      throw unavailable(error);
    }
  }
}

// An answer that breaks off counts as a fault of the network too: the backend may just have been stopped.
function unavailable(error: unknown): BackendUnavailableError {
  if (isAxiosError(error) && !isTooLarge(error.message)) {
    return new BackendUnavailableError('network', true);
  }
  return new BackendUnavailableError('unusable-answer', false);
}

const isTooLarge = (message: string): boolean => message.startsWith('maxContentLength');

function readAnswer<Answer>(response: AxiosResponse<string>, schema: z.ZodType<Answer>): Answer {
  const { status } = response;
  if (status === 200) return parseAnswer(response.data, schema);
  if (status === 401 || status === 403) throw new BackendUnauthorizedError(status);
  if (status === 404) throw new UserNotFoundError();
  if (status === 429) {
    throw new BackendUnavailableError('rate-limited', true, { status, ...retryAfter(response) });
  }
  if (status >= 500) {
    const retryable = [502, 503, 504].includes(status);
    throw new BackendUnavailableError('status', retryable, { status, ...retryAfter(response) });
  }
  if (status >= 400) throw new BackendRejectedError(status);
  if (status >= 300) throw new BackendUnavailableError('redirect', false, { status });
  throw new BackendUnavailableError('unusable-answer', false, { status });
}

function parseAnswer<Answer>(text: string, schema: z.ZodType<Answer>): Answer {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new BackendUnavailableError('unusable-answer', false);
  }
}

/** `Retry-After` in seconds or as a date; 24 hours at most. */
function retryAfter({ headers }: AxiosResponse): { retryAfterMs?: number } {
  const text = String(headers['retry-after'] ?? '');
  const retryAfterMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return retryAfterMs > 0 ? { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) } : {};
}
