import { Global, Module } from '@nestjs/common';
import { HttpFront } from './http-front.js';

/** Provides the server's `HttpFront` to every module. */
@Global()
@Module({ providers: [HttpFront], exports: [HttpFront] })
export class HttpFrontModule {}
