import { validatedConfig } from '@latchkey/environment/config-module';
import { Module } from '@nestjs/common';
import { parseEnvironment } from './environment.js';

/**
 * Provides `ConfigService<Environment, true>` to every module. Importing it throws an
 * `EnvironmentError` that lists every invalid variable.
 */
@Module({ imports: [await validatedConfig(parseEnvironment)] })
export class ConfigModule {}
