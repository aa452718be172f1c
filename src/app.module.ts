import { HttpFrontModule } from '@latchkey/http-front/http-front';
import { TracingModule } from '@latchkey/tracing/spans';
import { Module } from '@nestjs/common';
import { AlertsModule } from './alerts/alerts.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ConfigModule } from './config/config.module.js';
import { HealthModule } from './health/health.module.js';
import { InternalApiKeysModule } from './internal-api-keys/internal-api-keys.module.js';
import { InternalUsersModule } from './internal-users/internal-users.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { PrismaModule } from './prisma/prisma.module.js';
import { RequestEventsModule } from './requests/request-events.js';
import { UsageRecordingModule } from './usage/usage-recording.module.js';

/** The root module. Importing it throws an `EnvironmentError` if the environment is invalid. */
@Module({
  imports: [
    ConfigModule,
    RequestEventsModule,
    HttpFrontModule,
    TracingModule,
    PrismaModule,
    AuthModule,
    InternalUsersModule,
    InternalApiKeysModule,
    AuditModule,
    UsageRecordingModule,
    HealthModule,
    AlertsModule,
    MetricsModule,
  ],
})
export class AppModule {}
