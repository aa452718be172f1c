import { type Server, type Socket, createServer } from 'node:net';

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  /** The raw request: headers and body. */
  readonly text: string;
  readonly receivedAt: number;
}

/** Responds to a request, possibly in a way that an HTTP library would not allow. */
export type Behaviour = (socket: Socket, request: FakeRequest) => void;

export const USER = {
  id: '12345',
  email: 'user@example.com',
  name: 'John Doe',
  phone: '+12025550123',
  roles: ['customer'],
  permissions: ['read', 'transact', 'configure'],
  createdAt: '2025-01-01T00:00:00.000Z',
  lastLoginAt: null,
};

export const ACCOUNTS = [{ id: 'a1', type: 'checking', currency: 'USD', balance: '2543.75' }];

export function answer(status: number, body: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n${body}`;
}

export const respond =
  (status: number, body: unknown, headers?: Record<string, string>): Behaviour =>
  (socket) =>
    void socket.write(answer(status, JSON.stringify(body), headers));

/** The responses of a healthy backend. */
export const healthy: Behaviour = (socket, { path }) => {
  const user = path.endsWith('/accounts') ? {} : { user: USER };
  const body = { ...user, ...(path.endsWith('accounts') ? { accounts: ACCOUNTS } : {}) };
  socket.write(answer(200, JSON.stringify(body)));
};

/** A TCP server that replaces the backend and has the behaviour that a test sets. */
export class FakeBackend {
  behaviour: Behaviour = healthy;
  requests: FakeRequest[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FakeBackend> {
    const server = createServer((socket) => fake.serve(socket));
    const fake = new FakeBackend(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string')
      throw new Error('The fake backend is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Changes the behaviour and clears `requests`. */
  become(behaviour: Behaviour): void {
    this.behaviour = behaviour;
    this.requests = [];
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    let text = '';
    socket.on('error', () => socket.destroy()).on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (!isComplete(text)) return;
      const [method = '', path = ''] = text.split(' ', 2);
      const request = { method, path, text, receivedAt: performance.now() };
      text = '';
      this.requests.push(request);
      this.behaviour(socket, request);
    });
  }
}

function isComplete(text: string): boolean {
  const [head = '', body] = text.split('\r\n\r\n', 2);
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  return body !== undefined && Buffer.byteLength(body) >= length;
}
