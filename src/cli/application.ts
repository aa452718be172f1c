import { ConfigModule } from '@latchkey/environment/config-module';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import {
  type DynamicModule,
  type INestApplicationContext,
  Module,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseEnvironment } from '../config/environment.js';
import { PrismaModule } from '../prisma/prisma.module.js';

@Module({})
class CommandModule {
  static around(module: Type): DynamicModule {
    const configuration = ConfigModule.forRoot(parseEnvironment(process.env));
    return { module: CommandModule, imports: [configuration, PrismaModule, module] };
  }
}

/** Runs a command with the application's own modules, and ends them afterwards. Logs are warnings, on stderr. */
export async function withModule<Result>(
  module: Type,
  command: (application: INestApplicationContext) => Promise<Result>,
): Promise<Result> {
  const application = await NestFactory.createApplicationContext(CommandModule.around(module), {
    logger: new NestLogger(createLogger('warn', 'stderr')),
    abortOnError: false,
  });
  try {
    return await command(application);
  } finally {
    await application.close();
  }
}
