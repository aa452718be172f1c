import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Finds a free port of 127.0.0.1, below the range that the system uses for client connections. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if ((await findListenError(port)) === undefined) return port;
  }
}

/** Tries to listen; returns the error code, such as `EADDRINUSE`, or undefined for a free port. */
export async function findListenError(
  port: number,
  host = '127.0.0.1',
): Promise<string | undefined> {
  const probe = createServer();
  try {
    await once(probe.listen(port, host), 'listening');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  probe.close();
  await once(probe, 'close');
  return undefined;
}
