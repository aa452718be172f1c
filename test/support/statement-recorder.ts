import { type Server, type Socket, connect, createServer } from 'node:net';

const PARSE = 'P'.charCodeAt(0);
const QUERY = 'Q'.charCodeAt(0);
const HEADER_BYTES = 5;

/** A proxy between programs and PostgreSQL that records the text of every statement. */
export class StatementRecorder {
  readonly statements = new Set<string>();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly listener: Server,
    private readonly target: URL,
  ) {}

  static async start(databaseUrl: string): Promise<StatementRecorder> {
    const listener = createServer((client) => recorder.serve(client));
    const recorder = new StatementRecorder(listener, new URL(databaseUrl));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return recorder;
  }

  get url(): string {
    const address = this.listener.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return url.href;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private serve(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => other.destroy());
      one.pipe(other);
    }
    const reader = new MessageReader((text) => this.statements.add(text));
    client.on('data', (chunk) => reader.read(chunk));
  }
}

/**
 * Parses the messages of a client:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
class MessageReader {
  private rest = Buffer.alloc(0);
  private isStarted = false;

  constructor(private readonly onStatement: (text: string) => void) {}

  read(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (
      let length = this.messageLength();
      length <= this.rest.length;
      length = this.messageLength()
    ) {
      if (this.isStarted) this.readMessage(this.rest.subarray(0, length));
      this.isStarted = true;
      this.rest = this.rest.subarray(length);
    }
  }

  // The first message has no type byte before its length.
  private messageLength(): number {
    const typeBytes = this.isStarted ? 1 : 0;
    if (this.rest.length < HEADER_BYTES) return Infinity;
    return typeBytes + this.rest.readInt32BE(typeBytes);
  }

  private readMessage(message: Buffer): void {
    const [first = '', second = ''] = message.toString('utf8', HEADER_BYTES).split('\0');
    if (message[0] === QUERY) this.onStatement(first);
    // `first` is the name of the prepared statement, `second` is its text.
    if (message[0] === PARSE) this.onStatement(second);
  }
}
