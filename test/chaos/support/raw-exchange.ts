import { connect } from 'node:net';
import { HANG_MS, type ReceivedResponse } from './contract.js';

// The server sends each response in one write. If nothing follows for this time, the response is
// complete and the server waits for the next request.
const QUIET_MS = 50;
const CLOSE_LIMIT_MS = 1000;
const ANNOUNCES_CLOSE = /\r\nconnection: close\r\n/i;
const HEAD_END = '\r\n\r\n';

export interface Exchange {
  /** All responses except 1xx. */
  readonly responses: readonly ReceivedResponse[];
  /** Whether the server sent a 100 Continue. */
  readonly isContinued: boolean;
  /** Received bytes that are not part of a response. */
  readonly rest: string;
  /** Whether the server closed the connection before the client ended its side. */
  readonly isRefused: boolean;
  /** Whether the connection was still open 1 s after the client ended its side. */
  readonly isStuck: boolean;
}

/** Sends raw bytes over a new connection, and reads until the connection closes. */
export function exchange(
  port: number,
  bytes: string,
  localAddress = '127.0.0.1',
): Promise<Exchange> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let received = '';
    let respondedAt = startedAt;
    let isStuck = false;
    let hasEnded = false;
    let isRefused = false;
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress,
      noDelay: true,
      allowHalfOpen: true,
    });
    const endRequests = () => {
      hasEnded = true;
      socket.end();
      timer = setTimeout(() => {
        isStuck = true;
        socket.destroy();
      }, CLOSE_LIMIT_MS);
    };
    // If no response arrives within HANG_MS, the server is waiting for more of the request.
    let timer = setTimeout(endRequests, HANG_MS);
    socket.setEncoding('latin1');
    socket.write(bytes, 'latin1');
    socket.on('data', (text: string) => {
      respondedAt = performance.now();
      received += text;
      if (hasEnded) return;
      clearTimeout(timer);
      timer = setTimeout(endRequests, ANNOUNCES_CLOSE.test(received) ? HANG_MS : QUIET_MS);
    });
    socket.on('end', () => {
      isRefused = !hasEnded;
      socket.end();
    });
    // A server that refuses a request resets the connection if it has not read all of the request.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      const ms = respondedAt - startedAt;
      const parsed = parseResponses(received, bytes.startsWith('HEAD '), ms);
      resolve({ ...parsed, isRefused, isStuck });
    });
  });
}

function parseResponses(
  received: string,
  isHead: boolean,
  ms: number,
): Pick<Exchange, 'responses' | 'isContinued' | 'rest'> {
  const responses: ReceivedResponse[] = [];
  let isContinued = false;
  let rest = received;
  for (;;) {
    const end = rest.indexOf(HEAD_END);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(rest)?.[1] ?? 0);
    if (end === -1 || status === 0) return { responses, isContinued, rest };
    const head = rest.slice(0, end + 2);
    rest = rest.slice(end + HEAD_END.length);
    if (status === 100) isContinued = true;
    if (status < 200) continue;
    // If the HTTP parser fails, the method is unknown, so even the response to HEAD has a body.
    const hasBody = !isHead || responses.length > 0 || rest.startsWith('{');
    const length = hasBody ? Number(valueOf(head, 'content-length') ?? 0) : 0;
    const body = Buffer.from(rest.slice(0, length), 'latin1').toString();
    rest = rest.slice(length);
    responses.push({ status, contentType: valueOf(head, 'content-type'), body, ms });
  }
}

function valueOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)\\r\\n`, 'i').exec(head)?.[1];
}
