import { Controller, Get } from '@nestjs/common';
import { ProtectedResource } from './protected-resource.js';

@Controller('.well-known/oauth-protected-resource')
export class ProtectedResourceController {
  constructor(private readonly resource: ProtectedResource) {}

  // The standard's path has the resource's own path at its end; some clients ask only at the root.
  @Get(['', '*'])
  metadata(): Readonly<Record<string, unknown>> {
    return this.resource.metadata;
  }
}
