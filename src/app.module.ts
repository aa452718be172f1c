import { type DynamicModule, Module } from '@nestjs/common';
import { AlertsModule } from './alerts/alerts.module.js';
import { AuthModule } from './auth/auth.module.js';
import { TracingModule } from '@latchkey/tracing/tracing-module';
import { DrainingModule } from '@latchkey/shutdown/draining-module';
import { ConfigModule } from '@latchkey/environment/config-module';
import type { Environment } from './config/environment.js';
import { HealthModule } from './health/health.module.js';
import { LoadShedding } from './http/load-shedding.js';
import { InternalApiKeysModule } from './internal-api-keys/internal-api-keys.module.js';
import { InternalUsersModule } from './internal-users/internal-users.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { PrismaModule } from './prisma/prisma.module.js';
import type { FinishedRequests } from './requests/finished-requests.js';
import { FinishedRequestsModule } from './requests/finished-requests.module.js';
import { UsageRecordingModule } from './usage/usage-recording.module.js';

@Module({})
export class AppModule {
  static forEnvironment(environment: Environment, requests: FinishedRequests): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(environment),
        FinishedRequestsModule.forRoot(requests),
        DrainingModule,
        PrismaModule,
        AuthModule,
        InternalUsersModule,
        InternalApiKeysModule,
        UsageRecordingModule,
        HealthModule,
        AlertsModule,
        MetricsModule.forEnvironment(environment),
        ...(environment.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? [] : [TracingModule]),
      ],
      providers: [LoadShedding],
    };
  }
}
