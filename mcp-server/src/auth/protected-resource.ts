import { Controller, Get, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server';
import type { Environment } from '../config/environment.js';
import { SCOPES } from './user.js';

/** How this server describes itself to OAuth clients (RFC 9728). */
@Injectable()
export class ProtectedResource {
  /** The resource identifier: the URL that users type into their clients. */
  readonly url: URL;
  readonly metadataUrl: string;
  readonly metadata: Readonly<Record<string, unknown>>;

  constructor(config: ConfigService<Environment, true>) {
    const resource = config.get('MCP_PUBLIC_URL', { infer: true });
    const issuer = config.get('accessTokens', { infer: true }).issuer;
    this.url = new URL(resource);
    this.metadataUrl = getOAuthProtectedResourceMetadataUrl(this.url);
    this.metadata = {
      resource,
      resource_name: 'Latchkey',
      // An issuer that is no URL, as in development, has no metadata that a client could ask for.
      ...(URL.canParse(issuer) ? { authorization_servers: [issuer] } : {}),
      scopes_supported: SCOPES,
      bearer_methods_supported: ['header'],
    };
  }
}

@Controller('.well-known/oauth-protected-resource')
export class ProtectedResourceController {
  constructor(private readonly resource: ProtectedResource) {}

  // The standard's path ends with the resource's own path; some clients ask only at the root.
  @Get(['', '*'])
  metadata(): ProtectedResource['metadata'] {
    return this.resource.metadata;
  }
}
