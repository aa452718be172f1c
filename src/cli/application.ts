import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PrismaModule } from '../prisma/prisma.module.js';

@Module({})
class CommandModule {}

/** Runs a command with the application's own modules, and closes them afterwards. Logs are warnings, on stderr. */
export async function withModule<Result>(
  module: Type,
  command: (application: INestApplicationContext) => Promise<Result>,
): Promise<Result> {
  // Its import validates the environment, which `--help` does not need.
  const { ConfigModule } = await import('../config/config.module.js');
  const application = await NestFactory.createApplicationContext(
    { module: CommandModule, imports: [ConfigModule, PrismaModule, module] },
    { logger: new NestLogger(createLogger('warn', 'stderr')), abortOnError: false },
  );
  try {
    return await command(application);
  } finally {
    await application.close();
  }
}
