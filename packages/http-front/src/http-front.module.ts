import { Global, Module } from '@nestjs/common';
import { HttpFront } from './http-front.js';

@Global()
@Module({ providers: [HttpFront], exports: [HttpFront] })
export class HttpFrontModule {}
