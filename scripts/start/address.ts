import { once } from 'node:events';
import { createServer } from 'node:net';

// The servers' own defaults, which can't be read from them before they are built.
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORTS = { PORT: '3000', MCP_PORT: '3001' };

type PortVariable = keyof typeof DEFAULT_PORTS;

/** Throws a sentence if the servers could not listen where the variables say. */
export async function checkPortsAreFree(variables: NodeJS.ProcessEnv): Promise<void> {
  const host = variables.HOST || DEFAULT_HOST;
  const PORT = Number(variables.PORT || DEFAULT_PORTS.PORT);
  const MCP_PORT = Number(variables.MCP_PORT || DEFAULT_PORTS.MCP_PORT);
  if (PORT === MCP_PORT) throw new Error('PORT and MCP_PORT must differ: correct them in .env.');
  await checkPortIsFree('PORT', host, PORT);
  await checkPortIsFree('MCP_PORT', host, MCP_PORT);
}

async function checkPortIsFree(variable: PortVariable, host: string, port: number): Promise<void> {
  if (port === 0) {
    throw new Error(`${variable} must not be 0 here: set the one to listen on in .env.`);
  }
  // What is no port number is told with all else that is wrong in the variables.
  if (!Number.isInteger(port) || port > 65_535) return;
  const probe = createServer();
  try {
    await once(probe.listen(port, host), 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const problem =
      code === 'EADDRINUSE'
        ? `Port ${port} is taken: stop the other program or set ${variable} in .env.`
        : `${host}:${port} can't be listened on (${String(code)}): set HOST and ${variable} in .env.`;
    throw new Error(problem, { cause: error });
  }
  await new Promise((resolve) => probe.close(resolve));
}

/** The URL at which a program of this machine reaches a server that listens there. */
export function localUrl(host: string, port: number): string {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
