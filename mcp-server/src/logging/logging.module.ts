import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';

/** Injects the process's pino logger, for lines with fields. */
export const PROCESS_LOGGER = Symbol('process logger');

@Module({})
export class LoggingModule {
  static forLogger(logger: Logger): DynamicModule {
    return {
      module: LoggingModule,
      global: true,
      providers: [{ provide: PROCESS_LOGGER, useValue: logger }],
      exports: [PROCESS_LOGGER],
    };
  }
}
