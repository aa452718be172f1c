import { Module } from '@nestjs/common';
import { RootKeyRing } from './root-key-ring.js';

@Module({ providers: [RootKeyRing], exports: [RootKeyRing] })
export class ApiKeysModule {}
