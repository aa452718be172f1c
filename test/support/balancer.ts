import { type Server, type Socket, connect, createServer } from 'node:net';

/**
 * Forwards connections to one server. Like a load balancer during a rolling restart, it can forward
 * new connections to another server (`pointAt`).
 */
export class Balancer {
  private readonly connections = new Set<{ readonly client: Socket; readonly server: Socket }>();
  private port = 0;

  private constructor(private readonly listener: Server) {}

  static async start(): Promise<Balancer> {
    const listener = createServer((client) => balancer.serve(client));
    const balancer = new Balancer(listener);
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get url(): string {
    const address = this.listener.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    return `http://127.0.0.1:${address.port}`;
  }

  pointAt(origin: string): void {
    this.port = Number(new URL(origin).port);
  }

  /**
   * Cuts each connection when its server responds: the server has processed the request, but the
   * client receives no response.
   */
  dropNextResponses(): void {
    for (const { client, server } of this.connections) {
      server.unpipe(client);
      server.once('data', () => server.destroy());
      server.resume();
    }
  }

  async stop(): Promise<void> {
    for (const { client } of this.connections) client.destroy();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private serve(client: Socket): void {
    const server = connect(this.port, '127.0.0.1');
    const connection = { client, server };
    this.connections.add(connection);
    server.once('close', () => this.connections.delete(connection));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => socket.destroy());
      socket.once('close', () => other.destroy());
      socket.pipe(other);
    }
  }
}
