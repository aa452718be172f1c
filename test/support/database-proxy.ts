import { type Server, type Socket, connect, createServer } from 'node:net';

interface Link {
  readonly name: string;
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A proxy between the application and PostgreSQL. It can stall or break all connections that have a
 * given application name.
 */
export class DatabaseProxy {
  private readonly links = new Set<Link>();
  private isSilenced = (_name: string): boolean => false;
  private onQuery: ((name: string, chunk: Buffer) => void) | undefined;

  private constructor(
    private readonly listener: Server,
    private readonly target: URL,
  ) {}

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const listener = createServer((client) => proxy.serve(client));
    const proxy = new DatabaseProxy(listener, new URL(databaseUrl));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.listener.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return url.href;
  }

  /** Stalls all present and future connections with this application name until `restore`. */
  silence(applicationName: string): void {
    this.isSilenced = (name) => name === applicationName;
    this.update();
  }

  restore(): void {
    this.isSilenced = () => false;
    this.update();
  }

  /** Breaks the connections with this application name. */
  cut(applicationName: string): void {
    for (const link of this.links) if (link.name === applicationName) link.client.destroy();
  }

  /**
   * Waits until a connection with this application name sends a query that contains the text.
   * Resolves before the query has a response.
   */
  async waitForQuery(applicationName: string, text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.onQuery = (name, chunk) => {
        if (name === applicationName && chunk.includes(text)) resolve();
      };
    });
    this.onQuery = undefined;
  }

  async stop(): Promise<void> {
    for (const { client } of this.links) client.destroy();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private serve(client: Socket): void {
    client.on('error', () => client.destroy());
    // The first message contains the protocol version, then parameter names and values, each
    // followed by a zero byte. One parameter is the application name.
    client.once('data', (startup) => {
      const [, name = ''] =
        /application_name\0([^\0 ]*)[\0 ]/.exec(startup.toString('latin1')) ?? [];
      const server = connect(Number(this.target.port), this.target.hostname);
      const link = { name, client, server };
      this.links.add(link);
      server.on('error', () => client.destroy());
      client.once('close', () => {
        this.links.delete(link);
        server.destroy();
      });
      server.once('close', () => client.destroy());
      server.write(startup);
      client.on('data', (chunk) => this.onQuery?.(name, chunk));
      server.pipe(client);
      client.pipe(server);
      this.update();
    });
  }

  private update(): void {
    for (const { name, client, server } of this.links) {
      for (const socket of [client, server]) {
        if (this.isSilenced(name)) socket.pause();
        else socket.resume();
      }
    }
  }
}
