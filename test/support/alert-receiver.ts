import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const alertSchema = z.strictObject({
  text: z.string(),
  id: z.uuid(),
  incidentId: z.uuid(),
  rule: z.string(),
  status: z.enum(['firing', 'resolved']),
  severity: z.enum(['critical', 'warning', 'info']),
  event: z.string(),
  subject: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number()])),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});

export type ReceivedAlert = z.infer<typeof alertSchema>;

/** Receives alerts over HTTP, like the receiver of an operator. */
export class AlertReceiver {
  readonly alerts: ReceivedAlert[] = [];
  readonly requests: { headers: IncomingHttpHeaders; body: string }[] = [];
  /** The status of the responses to alerts. */
  status = 200;
  /** Whether requests get no response. */
  isMute = false;
  private server: Server | undefined;
  private port = 0;

  static async start(): Promise<AlertReceiver> {
    const receiver = new AlertReceiver();
    await receiver.listen();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hooks/s3cret-path`;
  }

  /** Listens on a free port. After `goDown`, listens on the same port again. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.receive(request, response));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    this.port = address.port;
    this.server = server;
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    if (this.status < 300) {
      this.requests.push({ headers: request.headers, body });
      this.alerts.push(alertSchema.parse(JSON.parse(body)));
    }
    if (!this.isMute) response.writeHead(this.status).end();
  }

  async goDown(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** The received alerts of a rule. If `status` is given, only the alerts with this status. */
  of(rule: string, status?: ReceivedAlert['status']): ReceivedAlert[] {
    return this.alerts.filter(
      (alert) => alert.rule === rule && (status === undefined || alert.status === status),
    );
  }
}

/** Verifies a signature as docs/how-to/alerts.md documents it. */
export function isGenuine(secret: string, header: unknown, body: string): boolean {
  const [, time = '', signature = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(header)) ?? [];
  if (Math.abs(Date.now() / 1000 - Number(time)) > 300) return false;
  const expected = createHmac('sha256', secret).update(`${time}.${body}`).digest();
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}
