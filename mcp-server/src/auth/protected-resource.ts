import { Controller, Get, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server';
import type { Environment } from '../config/environment.js';
import { SCOPES } from './user.js';

/** The OAuth protected resource metadata of this server (RFC 9728). */
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
      // In development the issuer is not a URL, so clients cannot fetch its metadata.
      ...(URL.canParse(issuer) ? { authorization_servers: [issuer] } : {}),
      scopes_supported: SCOPES,
      bearer_methods_supported: ['header'],
    };
  }
}

@Controller('.well-known/oauth-protected-resource')
export class ProtectedResourceController {
  constructor(private readonly resource: ProtectedResource) {}

  // RFC 9728 appends the resource's path (`/mcp`) to this path; some clients omit `/mcp`.
  @Get(['', '*'])
  metadata(): ProtectedResource['metadata'] {
    return this.resource.metadata;
  }
}
