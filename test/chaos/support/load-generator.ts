/**
 * Sends load from a separate process. Unless `ratePerSecond` is `closed`, the rate does not depend
 * on the responses. The argument is a `LoadPlan` as JSON; stdout receives a `LoadReport`.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadPlan, type LoadReport, loadPlanSchema } from './load-plan.js';

const TICK_MS = 2;
const SETTLING_MS = 300;
const HEAD_END = '\r\n\r\n';

class Connection {
  private socket: Socket | undefined;
  private received = '';
  private sentAt = 0;

  constructor(
    private readonly plan: LoadPlan,
    private readonly request: string,
    private readonly onFinished: (
      status: number,
      latencyMs: number,
      connection: Connection,
    ) => void,
  ) {}

  send(): void {
    this.sentAt = performance.now();
    this.socket ??= this.open();
    this.socket.write(this.request);
  }

  async connect(): Promise<void> {
    this.socket = this.open();
    await once(this.socket, 'connect');
  }

  close(): void {
    this.socket?.destroy();
  }

  private open(): Socket {
    const socket = connect({ host: this.plan.host, port: this.plan.port, noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.receive(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      if (this.sentAt > 0) this.finish(0);
    });
    return socket;
  }

  private receive(text: string): void {
    this.received = this.received === '' ? text : this.received + text;
    const end = this.received.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.received.slice(0, end).toLowerCase();
    const length = parseInt(valueOf(head, 'content-length'), 10);
    if (this.received.length < end + HEAD_END.length + length) return;
    if (valueOf(head, 'connection') === 'close') {
      this.socket?.destroy();
      this.socket = undefined;
    }
    this.finish(Number(head.slice(9, 12)));
  }

  private finish(status: number): void {
    const latency = performance.now() - this.sentAt;
    this.received = '';
    this.sentAt = 0;
    this.onFinished(status, latency, this);
  }
}

/** The value of a header in a lower-case head; empty if the header is missing. */
function valueOf(head: string, name: string): string {
  const at = head.indexOf(`\r\n${name}: `);
  if (at === -1) return '';
  const from = at + name.length + 4;
  const to = head.indexOf('\r\n', from);
  return to === -1 ? head.slice(from) : head.slice(from, to);
}

async function run(plan: LoadPlan): Promise<LoadReport> {
  const headers = Object.entries({ host: plan.host, ...plan.headers });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const request = `GET ${plan.path} HTTP/1.1\r\n${lines}\r\n`;
  const latencies = new Map<number, number[]>();
  const successesAfterwards = Array<number>(plan.afterwards?.seconds ?? 0).fill(0);
  let successes = 0;
  let completed = 0;
  let startedAt = performance.now();
  let endedAt = Infinity;
  const isSuccess = (status: number, latencyMs: number) =>
    status >= 200 && status < 300 && latencyMs <= plan.goodWithinMs;
  const onFinished = (status: number, latencyMs: number, connection: Connection) => {
    const now = performance.now();
    const second = Math.floor((now - endedAt) / 1000);
    if (second >= 0 && isSuccess(status, latencyMs)) {
      successesAfterwards[second] = (successesAfterwards[second] ?? 0) + 1;
    }
    // Requests that started after `endedAt` belong to `plan.afterwards`.
    if (now - latencyMs <= endedAt) {
      completed += 1;
      const known = latencies.get(status) ?? [];
      known.push(latencyMs);
      latencies.set(status, known);
      if (isSuccess(status, latencyMs)) successes += 1;
    }
    const sendsNext = plan.ratePerSecond === 'closed' && now - startedAt < plan.seconds * 1000;
    if (sendsNext) connection.send();
    else idle.push(connection);
  };
  const connections = Array.from(
    { length: plan.connections },
    () => new Connection(plan, request, onFinished),
  );
  // Node accepts one connection per event-loop tick, so connections must be open before the load.
  await Promise.all(connections.map((connection) => connection.connect()));
  await sleep(SETTLING_MS);
  const idle = [...connections];
  const sendAt = async (ratePerSecond: number, seconds: number) => {
    const since = performance.now();
    let planned = 0;
    for (;;) {
      const elapsed = performance.now() - since;
      if (elapsed >= seconds * 1000) break;
      const due = Math.floor((elapsed / 1000) * ratePerSecond) - planned;
      planned += due;
      for (const connection of idle.splice(0, due)) connection.send();
      await sleep(TICK_MS);
    }
  };
  startedAt = performance.now();
  if (plan.ratePerSecond === 'closed') {
    for (const connection of idle.splice(0)) connection.send();
    await sleep(plan.seconds * 1000);
  } else await sendAt(plan.ratePerSecond, plan.seconds);
  endedAt = performance.now();
  const seconds = (endedAt - startedAt) / 1000;
  if (plan.afterwards) await sendAt(plan.afterwards.ratePerSecond, plan.afterwards.seconds);
  const deadline = performance.now() + 3000;
  while (idle.length < connections.length && performance.now() < deadline) await sleep(10);
  const pending = connections.length - idle.length;
  for (const connection of connections) connection.close();
  return {
    goodPerSecond: successes / seconds,
    successesAfterwards: successesAfterwards.slice(0, plan.afterwards?.seconds ?? 0),
    sentPerSecond: (completed + pending) / seconds,
    pending,
    statuses: Object.fromEntries(
      [...latencies].map(([status, values]) => [status, describe(values)]),
    ),
  };
}

function describe(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

const report = await run(loadPlanSchema.parse(JSON.parse(process.argv[2] ?? '{}')));
process.stdout.write(JSON.stringify(report));
