import { AccessTokenError } from '@latchkey/access-tokens/verifier';
import {
  OAuthError,
  OAuthErrorCode,
  bearerAuthChallengeResponse,
  type AuthInfo,
} from '@modelcontextprotocol/server';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Environment } from '../config/environment.js';
import { ProtectedResource } from './protected-resource.js';
import { type TokenFault, TokenFailures } from './token-failures.js';
import { SCOPES, toAuthInfo } from './user.js';
import { VerifiedTokens } from './verified-tokens.js';

declare module 'http' {
  interface IncomingMessage {
    /** Set by `BearerGuard`; the MCP SDK reads this property. */
    auth?: AuthInfo;
  }
}

/**
 * Admits a request with a valid Bearer token and sets `request.raw.auth`. A missing or wrong token
 * gets 401 with a challenge. After too many wrong tokens from a network, further ones get 429.
 */
@Injectable()
export class BearerGuard implements CanActivate {
  constructor(
    private readonly tokens: VerifiedTokens,
    private readonly resource: ProtectedResource,
    private readonly failures: TokenFailures,
    private readonly config: ConfigService<Environment, true>,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { authorization } = request.headers;
    if (authorization === undefined) {
      // With `allow`, the client may pass the token as an argument of each tool call instead.
      if (this.config.get('MCP_TOKEN_ARGUMENT', { infer: true }) === 'allow') return true;
      // Not counted as a wrong token: OAuth clients begin without a token, to get the challenge.
      throw this.challenge('A Bearer token is required', reply);
    }
    try {
      const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
      const { url: resource, metadataUrl: resourceMetadataUrl } = this.resource;
      const authInfo = toAuthInfo(await this.tokens.verify(token));
      request.raw.auth = { ...authInfo, resource, resourceMetadataUrl };
      return true;
    } catch (error) {
      if (!(error instanceof AccessTokenError)) throw error;
      const { fault, message } = error;
      if (fault === 'keys-unavailable') {
        void reply.header('retry-after', '5');
        const body = { error: 'temporarily_unavailable', error_description: message };
        throw new HttpException(body, 503);
      }
      this.count(fault, request, reply);
      throw this.challenge(message, reply);
    }
  }

  private count(fault: TokenFault, request: FastifyRequest, reply: FastifyReply): void {
    const { ip: address, id: requestId } = request;
    const seconds = this.failures.record({ fault, address, requestId });
    if (seconds === undefined) return;
    void reply.header('retry-after', String(seconds));
    const error_description = `Too many wrong access tokens: try again in ${seconds} s`;
    throw new HttpException({ error: OAuthErrorCode.TooManyRequests, error_description }, 429);
  }

  private challenge(message: string, reply: FastifyReply): HttpException {
    const error = new OAuthError(OAuthErrorCode.InvalidToken, message);
    const { headers, status } = bearerAuthChallengeResponse(error, {
      resourceMetadataUrl: this.resource.metadataUrl,
      // Clients request these scopes from the issuer; each tool still checks the scope it needs.
      requiredScopes: [...SCOPES],
    });
    void reply.header('www-authenticate', headers.get('www-authenticate'));
    return new HttpException(error.toResponseObject(), status);
  }
}
