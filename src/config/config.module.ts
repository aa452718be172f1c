import { validatedConfig } from '@latchkey/environment/config-module';
import { Module } from '@nestjs/common';
import { parseEnvironment } from './environment.js';

/**
 * Provides `ConfigService<Environment, true>` to every module. Importing this file throws an
 * `EnvironmentError` if variables are invalid.
 */
@Module({ imports: [await validatedConfig(parseEnvironment)] })
export class ConfigModule {}
