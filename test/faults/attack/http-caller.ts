import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const CONNECTIONS = 16;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

const problemSchema = z.object({ code: z.string() });

export interface HttpResponse {
  readonly status: number;
  readonly body: unknown;
  /** The problem code, if the response is a problem. */
  readonly code: string | undefined;
}

/** Calls a backend on this machine over a few connections. */
export class HttpCaller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  constructor(private readonly origin: string) {
    if (!LOOPBACK.test(new URL(origin).hostname)) {
      throw new Error('Only a backend on this machine may be attacked.');
    }
  }

  async call(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: unknown,
  ): Promise<HttpResponse> {
    const sent = body === undefined ? '' : JSON.stringify(body);
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method, agent: this.agent, headers: { ...headers, ...type } };
      request(`${this.origin}${path}`, options, resolve).on('error', reject).end(sent);
    });
    const parsed: unknown = JSON.parse(await text(response));
    const { data } = problemSchema.safeParse(parsed);
    return { status: response.statusCode ?? 0, body: parsed, code: data?.code };
  }

  close(): void {
    this.agent.destroy();
  }
}
