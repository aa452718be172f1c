import { connect } from 'node:net';
import { type Answer, HANG_MS } from './contract.js';

// An answer is one write: when nothing follows it, the server waits for a next request.
const QUIET_MS = 50;
const CLOSE_LIMIT_MS = 1000;
const ANNOUNCES_END = /\r\nconnection: close\r\n/i;
const HEAD_END = '\r\n\r\n';

export interface Exchange {
  /** Without those of 1xx. */
  readonly answers: readonly Answer[];
  /** Whether there was a 100 Continue. */
  readonly isContinued: boolean;
  /** Received bytes that are no response. */
  readonly rest: string;
  /** Whether the server ended the connection before the client had said that no more would come. */
  readonly isRefused: boolean;
  /** Whether it was still open a second after both. */
  readonly isStuck: boolean;
}

/** Sends bytes that no client would, over a connection of their own, and reads until it is over. */
export function exchange(
  port: number,
  bytes: string,
  localAddress = '127.0.0.1',
): Promise<Exchange> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let received = '';
    let answeredAt = startedAt;
    let isStuck = false;
    let hasSaidAll = false;
    let isRefused = false;
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress,
      noDelay: true,
      allowHalfOpen: true,
    });
    const sayAll = () => {
      hasSaidAll = true;
      socket.end();
      timer = setTimeout(() => {
        isStuck = true;
        socket.destroy();
      }, CLOSE_LIMIT_MS);
    };
    // An incomplete response stays incomplete: the server waits for the rest of the request.
    let timer = setTimeout(sayAll, HANG_MS);
    socket.setEncoding('latin1');
    socket.write(bytes, 'latin1');
    socket.on('data', (text: string) => {
      answeredAt = performance.now();
      received += text;
      if (hasSaidAll) return;
      clearTimeout(timer);
      timer = setTimeout(sayAll, ANNOUNCES_END.test(received) ? HANG_MS : QUIET_MS);
    });
    socket.on('end', () => {
      isRefused = !hasSaidAll;
      socket.end();
    });
    // A server that refuses does not read what is left.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      const ms = answeredAt - startedAt;
      const parsed = parseAnswers(received, bytes.startsWith('HEAD '), ms);
      resolve({ ...parsed, isRefused, isStuck });
    });
  });
}

function parseAnswers(
  received: string,
  isHead: boolean,
  ms: number,
): Pick<Exchange, 'answers' | 'isContinued' | 'rest'> {
  const answers: Answer[] = [];
  let isContinued = false;
  let rest = received;
  for (;;) {
    const end = rest.indexOf(HEAD_END);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(rest)?.[1] ?? 0);
    if (end === -1 || status === 0) return { answers, isContinued, rest };
    const head = rest.slice(0, end + 2);
    rest = rest.slice(end + HEAD_END.length);
    if (status === 100) isContinued = true;
    if (status < 200) continue;
    // The parser's refusals know of no method, so they have a body after HEAD too.
    const hasBody = !isHead || answers.length > 0 || rest.startsWith('{');
    const length = hasBody ? Number(valueOf(head, 'content-length') ?? 0) : 0;
    const body = Buffer.from(rest.slice(0, length), 'latin1').toString();
    rest = rest.slice(length);
    answers.push({ status, contentType: valueOf(head, 'content-type'), body, ms });
  }
}

function valueOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)\\r\\n`, 'i').exec(head)?.[1];
}
