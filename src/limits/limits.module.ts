import { Module } from '@nestjs/common';
import { EnumerationLimit } from './enumeration-limit.js';
import { KeyConcurrencyLimit } from './key-concurrency-limit.js';
import { KeyRateLimit } from './key-rate-limit.js';
import { SharedHours } from './shared-hours.js';
import { SharedStore } from './shared-store.js';
import { WriteSlots } from './write-slots.js';
import { WrongKeyLimit } from './wrong-key-limit.js';

const LIMITS = [
  SharedStore,
  SharedHours,
  KeyConcurrencyLimit,
  KeyRateLimit,
  WrongKeyLimit,
  EnumerationLimit,
  WriteSlots,
];

/** Limits per key and per client network, and slots for writes that change users. */
@Module({ providers: LIMITS, exports: LIMITS })
export class LimitsModule {}
