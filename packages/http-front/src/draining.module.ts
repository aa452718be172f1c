import { Global, Module } from '@nestjs/common';
import { Draining } from './draining.js';

/** Gives the server's `Draining` to every module. */
@Global()
@Module({ providers: [Draining], exports: [Draining] })
export class DrainingModule {}
