import { z } from 'zod';
import { CommandFailure, EXIT_CODES, wrongUsage } from './failure.js';

interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** The path and query, for example `/api/internal/api-keys?limit=100`. */
  readonly path: string;
  readonly body?: unknown;
}

/** Carries requests to the API: over HTTP, or to the application in this process. */
export interface Transport {
  /** Maps problem codes to the next step for a user of this transport. */
  readonly remedies: Readonly<Record<string, string>>;
  send(request: ApiRequest): Promise<{ readonly status: number; readonly text: string }>;
  close(): Promise<void>;
}

const problemSchema = z.object({
  code: z.string(),
  detail: z.string(),
  requiredScope: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).default([]),
});

/** The names that messages use for request fields that have no option of the same name. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  id: 'KEY_ID',
  apiKey: 'The key',
  address: '--from',
  environment: 'API_KEY_ENVIRONMENT',
  expiresAt: '--expires-in-days',
  gracePeriodSeconds: '--grace-seconds',
};

const NEXT_STEPS: Readonly<Record<string, string>> = {
  API_KEY_NOT_FOUND: 'To see all ids, run keys list --all.',
  API_KEY_ALREADY_ROTATED: 'Rotate the successor instead. To find its id, run keys show KEY_ID.',
  API_KEY_NOT_ACTIVE: 'To issue a new key, run keys create.',
  RATE_LIMITED: 'Wait a minute, then repeat the command.',
  INTERNAL_ERROR: 'Look for the request in the log of the server.',
};

/** Calls the API. If a request fails, throws a `CommandFailure` that names the next step. */
export class ApiClient {
  private transport: Transport | undefined;

  /** @param connect opens the transport, and is called at the first request */
  constructor(private readonly connect: () => Promise<Transport>) {}

  async get<Body>(path: string, schema: z.ZodType<Body>): Promise<Body> {
    return this.request({ method: 'GET', path }, schema);
  }

  async post<Body>(path: string, body: unknown, schema: z.ZodType<Body>): Promise<Body> {
    return this.request({ method: 'POST', path, body }, schema);
  }

  /** Gets the pages of a list, one after the other. */
  async *pages<Page extends { readonly nextCursor: string | null }>(
    path: string,
    filter: Readonly<Record<string, string>>,
    schema: z.ZodType<Page>,
  ): AsyncGenerator<Page> {
    const query = new URLSearchParams({ limit: '100', ...filter });
    for (;;) {
      const page = await this.get(`${path}?${query.toString()}`, schema);
      yield page;
      if (page.nextCursor === null) return;
      query.set('cursor', page.nextCursor);
    }
  }

  async close(): Promise<void> {
    await this.transport?.close();
  }

  private async request<Body>(request: ApiRequest, schema: z.ZodType<Body>): Promise<Body> {
    this.transport ??= await this.connect();
    const { status, text } = await this.transport.send(request);
    const json = parseJson(text);
    if (status >= 400) throw explain(json, status, this.transport.remedies);
    const { data, error } = schema.safeParse(json);
    if (error === undefined) return data;
    throw new CommandFailure(
      `The response has an unexpected form (${z.prettifyError(error)}): check --url, and use the command line of the same release as the server.`,
    );
  }
}

function explain(json: unknown, status: number, remedies: Transport['remedies']): CommandFailure {
  const { data: problem } = problemSchema.safeParse(json);
  if (problem === undefined) {
    return new CommandFailure(`The response (status ${status}) is not from Latchkey: check --url.`);
  }
  const { code, detail, requiredScope, errors } = problem;
  const messages = errors.map(({ path, message }) => nameFlag(path, message));
  if (code === 'INVALID_REQUEST') return wrongUsage(...messages);
  const scope = requiredScope && `Use a key with the scope ${requiredScope}.`;
  const step = remedies[code] ?? scope ?? NEXT_STEPS[code] ?? [];
  return new CommandFailure(
    [`${detail}.`, ...messages].concat(step).join('\n'),
    status === 404 ? EXIT_CODES.notFound : EXIT_CODES.failed,
  );
}

/** Prefixes the message about a request field with the name of the option for the field. */
export function nameFlag(path: string, message: string): string {
  const [field = ''] = path.split('.', 1);
  const option = field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const name = OTHER_NAMES[field] ?? `--${option}`;
  return message.startsWith('must ') ? `${name} ${message}` : `${name}: ${message}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
