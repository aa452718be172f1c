import { type Server, Socket } from 'node:net';

type Writev = NonNullable<Socket['_writev']>;

/**
 * Sends each answer by a single write. Node ends an answer with an empty chunk, so that all are sent by writev, which costs 2 µs more: a
 * twentieth of a request.
 */
export function writeAnswersAtOnce(server: Server): void {
  server.on('connection', (socket: Socket) => {
    socket._writev = writev;
  });
}

function writev(this: Socket, ...[chunks, callback]: Parameters<Writev>): void {
  const [first, second, third] = chunks;
  const isWhole = first !== undefined && second?.chunk === '' && third === undefined;
  if (isWhole) this._write(first.chunk, first.encoding, callback);
  else Socket.prototype._writev?.call(this, chunks, callback);
}
