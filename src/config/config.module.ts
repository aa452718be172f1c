import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule } from '@nestjs/config';
import type { Environment } from './environment.js';

/**
 * Gives `ConfigService<Environment, true>` to every module. It takes only an environment that
 * `parseEnvironment` has passed, so a process without its `INTERNAL_API_KEY` never gets here.
 */
@Module({})
export class ConfigModule {
  static async forRoot(environment: Environment): Promise<DynamicModule> {
    return NestConfigModule.forRoot({
      isGlobal: true,
      load: [() => environment],
      // The checked environment is the only source: no file and no raw variable behind its back.
      ignoreEnvFile: true,
      validatePredefined: false,
      skipProcessEnv: true,
    });
  }
}
