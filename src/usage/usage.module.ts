import { Module } from '@nestjs/common';
import { UsageService } from './usage.service.js';

/** Reads recorded usage, for the routes and for the command line. */
@Module({ providers: [UsageService], exports: [UsageService] })
export class UsageModule {}
