import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';

type Connected = Duplex | null | undefined;

/** Keep-alive connections, each of which must be made within `connectTimeoutMs`, DNS and TLS included. */
export function createAgent(protocol: string, connectTimeoutMs: number): http.Agent | https.Agent {
  const options = { keepAlive: true, maxSockets: 64, maxFreeSockets: 16 };
  const agent = protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
  const connect = agent.createConnection.bind(agent);
  // The agent's own `timeout` is about idle sockets, connected or not.
  agent.createConnection = (...args: Parameters<typeof connect>): Connected => {
    const socket = connect(...args);
    if (socket) limitConnecting(socket, protocol, connectTimeoutMs);
    return socket;
  };
  return agent;
}

function limitConnecting(socket: Duplex, protocol: string, limitMs: number): void {
  const timer = setTimeout(() => socket.destroy(new ConnectTimeoutError()), limitMs);
  const stop = () => clearTimeout(timer);
  socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', stop).once('close', stop);
}

class ConnectTimeoutError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor() {
    super('The connection was not made in time');
  }
}
