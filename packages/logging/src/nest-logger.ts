import type { LoggerService } from '@nestjs/common';
import type { Level, Logger } from 'pino';

// In these contexts, Nest logs a line per module and route at startup. Such lines get level debug.
const START_UP_CONTEXTS = new Set<unknown>(['InstanceLoader', 'RoutesResolver', 'RouterExplorer']);

/** Passes the messages of Nest and its `Logger` instances to pino. */
export class NestLogger implements LoggerService {
  readonly fatal = this.writeAt('fatal');
  readonly error = this.writeAt('error');
  readonly warn = this.writeAt('warn');
  readonly debug = this.writeAt('debug');
  readonly verbose = this.writeAt('trace');

  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...parameters: unknown[]): void {
    const level = START_UP_CONTEXTS.has(parameters.at(-1)) ? 'debug' : 'info';
    this.writeAt(level)(message, ...parameters);
  }

  private writeAt(level: Level) {
    // After the message, Nest passes the context, or the stack and the context.
    return (message: unknown, ...parameters: unknown[]): void => {
      const context = parameters.at(-1);
      const stack = parameters.length > 1 ? parameters[0] : undefined;
      if (message instanceof Error) this.logger[level]({ context, err: message }, message.message);
      else this.logger[level]({ context, stack }, String(message));
    };
  }
}
