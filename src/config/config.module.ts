import { validatedConfig } from '@latchkey/environment/config-module';
import { Module } from '@nestjs/common';
import { parseEnvironment } from './environment.js';

/**
 * Provides `ConfigService<Environment, true>` to every module. The import throws an
 * `EnvironmentError` that lists every problem of the environment variables.
 */
@Module({ imports: [await validatedConfig(parseEnvironment)] })
export class ConfigModule {}
