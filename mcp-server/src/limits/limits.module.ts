import { Module } from '@nestjs/common';
import { RateLimit } from './rate-limit.js';

@Module({ providers: [RateLimit], exports: [RateLimit] })
export class LimitsModule {}
