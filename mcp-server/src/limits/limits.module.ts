import { Module } from '@nestjs/common';
import { RateLimit } from './rate-limit.js';
import { TokenFailures } from './token-failures.js';

@Module({ providers: [RateLimit, TokenFailures], exports: [RateLimit, TokenFailures] })
export class LimitsModule {}
