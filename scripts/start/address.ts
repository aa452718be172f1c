import { once } from 'node:events';
import { createServer } from 'node:net';

export interface Address {
  HOST: string;
  PORT: number;
}

/** Throws a sentence if the backend could not listen there. */
export async function checkAddressIsFree({ HOST, PORT }: Address): Promise<void> {
  if (PORT === 0) throw new Error('PORT must not be 0 here: set the one to listen on in .env.');
  const probe = createServer();
  try {
    await once(probe.listen(PORT, HOST), 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const problem =
      code === 'EADDRINUSE'
        ? `Port ${PORT} is taken: stop the other program or set PORT in .env.`
        : `${HOST}:${PORT} can't be listened on (${String(code)}): set HOST and PORT in .env.`;
    throw new Error(problem, { cause: error });
  }
  await new Promise((resolve) => probe.close(resolve));
}

/** The URL at which a program of this machine reaches the backend. */
export function localUrl({ HOST, PORT }: Address): string {
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[HOST] ?? HOST;
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}`;
}
