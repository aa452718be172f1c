import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule } from '@nestjs/config';

/**
 * Gives `ConfigService<Environment, true>` to every module. It takes only an environment that has been
 * checked, so a process that lacks a variable never gets here.
 */
@Module({})
export class ConfigModule {
  static async forRoot(environment: Record<string, unknown>): Promise<DynamicModule> {
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
