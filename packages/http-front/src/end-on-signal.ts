import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { CLOSING_LIMIT_MS, Draining } from './draining.js';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
// For what is written down at the end, by a database that may not answer.
const SHUTDOWN_HOOKS_LIMIT_MS = 500;

/**
 * Ends the process in order at a signal: it says that it is not ready and sends clients away, serves for the drain
 * period, finishes what is in flight, and exits with 0. A second signal ends it at once.
 */
export function endOnSignal(app: INestApplicationContext, drainMs: number): void {
  const end = (signal: NodeJS.Signals) => {
    // What is left is the default, for the second one.
    for (const each of SIGNALS) process.off(each, end);
    void endInOrder(app, drainMs, signal);
  };
  for (const signal of SIGNALS) process.on(signal, end);
}

async function endInOrder(
  app: INestApplicationContext,
  drainMs: number,
  signal: NodeJS.Signals,
): Promise<void> {
  const logger = new Logger('Shutdown');
  logger.log(`${signal}: draining for ${drainMs / 1000} s`);
  const draining = app.get(Draining);
  draining.begin();
  await sleep(drainMs);
  const impatience = setTimeout(() => {
    logger.error('The end took too long');
    process.exit(1);
  }, CLOSING_LIMIT_MS + SHUTDOWN_HOOKS_LIMIT_MS);
  try {
    // First, since Nest destroys the connections that come in while it closes.
    await draining.finish();
    await app.close();
    clearTimeout(impatience);
    process.exit(0);
  } catch (error) {
    logger.error(error);
    process.exit(1);
  }
}
