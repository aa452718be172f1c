import { ConfigModule } from '@latchkey/environment/config-module';
import { createLogger } from '@latchkey/logging/logger';
import { NestLogger } from '@latchkey/logging/nest-logger';
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseEnvironment } from '../config/environment.js';
import { PrismaModule } from '../prisma/prisma.module.js';

class CommandModule {}

/** Runs a command with the application's own modules, and ends them afterwards. Logs are warnings, on stderr. */
export async function withModule<Result>(
  module: Type,
  command: (application: INestApplicationContext) => Promise<Result>,
): Promise<Result> {
  Module({ imports: [ConfigModule.forRoot(parseEnvironment(process.env)), PrismaModule, module] })(
    CommandModule,
  );
  const application = await NestFactory.createApplicationContext(CommandModule, {
    logger: new NestLogger(createLogger('warn', 'stderr')),
    abortOnError: false,
  });
  try {
    return await command(application);
  } finally {
    await application.close();
  }
}
