import { type DynamicModule, Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { KeyVerifier } from '../api-keys/key-verifier.js';
import type { Principal } from '../api-keys/principal.js';
import { SCOPES } from '../api-keys/scopes.js';
import { AuditController } from '../audit/audit.controller.js';
import { AuditService } from '../audit/audit.service.js';
import { ConfigModule } from '../config/config.module.js';
import { InternalApiKeysController } from '../internal-api-keys/internal-api-keys.controller.js';
import { KeyConcurrencyLimit } from '../limits/key-concurrency-limit.js';
import { KeyRateLimit } from '../limits/key-rate-limit.js';
import { WrongKeyLimit } from '../limits/wrong-key-limit.js';
import { PrismaModule } from '../prisma/prisma.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { RequestEventsModule } from '../requests/request-events.js';

/** Provides the API routes to the command line. The operator is the principal of every request. */
@Module({})
export class OperatorModule {
  static for(operator: string): DynamicModule {
    const principal: Principal = {
      keyId: `cli:${operator}`,
      isRoot: true,
      scopes: SCOPES,
      readFields: undefined,
      writeFields: undefined,
      budgets: [],
    };
    const unlimited = { enter: () => undefined, count: () => undefined };
    return {
      module: OperatorModule,
      imports: [ConfigModule, PrismaModule, RequestEventsModule, ApiKeysModule, UsageModule],
      controllers: [InternalApiKeysController, AuditController],
      providers: [
        AuditService,
        { provide: KeyVerifier, useValue: { verify: () => ({ outcome: 'admitted', principal }) } },
        { provide: KeyConcurrencyLimit, useValue: unlimited },
        { provide: KeyRateLimit, useValue: unlimited },
        { provide: WrongKeyLimit, useValue: unlimited },
      ],
    };
  }
}
