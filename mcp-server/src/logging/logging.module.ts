import { type LogTarget, createLogger } from '@latchkey/logging/logger';
import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';

/** Injects the process's pino logger, for lines with fields. */
export const PROCESS_LOGGER = Symbol('process logger');

@Module({})
export class LoggingModule {
  /** Provides `PROCESS_LOGGER` to every module. */
  static to(target: LogTarget): DynamicModule {
    const create = (config: ConfigService<Environment, true>) =>
      createLogger(config.get('LOG_LEVEL', { infer: true }), target);
    return {
      module: LoggingModule,
      global: true,
      providers: [{ provide: PROCESS_LOGGER, useFactory: create, inject: [ConfigService] }],
      exports: [PROCESS_LOGGER],
    };
  }
}
