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
import { z } from 'zod';
import type { Environment } from '../config/environment.js';
import { type TokenFault, TokenFailures } from '../limits/token-failures.js';
import { ProtectedResource } from './protected-resource.js';
import { SCOPES, toAuthInfo } from './user.js';
import { VerifiedTokens } from './verified-tokens.js';

declare module 'http' {
  interface IncomingMessage {
    /** Set by `BearerGuard`, where the MCP SDK looks for it. */
    auth?: AuthInfo;
  }
}

const challengeSchema = z.object({ error: z.string(), error_description: z.string() });

/**
 * Admits a request whose Bearer token is good, and sets `request.raw.auth`. Challenges all others
 * (401), or answers 429 when too many wrong tokens came from the client's network.
 */
@Injectable()
export class BearerGuard implements CanActivate {
  private readonly allowsTokenArgument: boolean;

  constructor(
    private readonly tokens: VerifiedTokens,
    private readonly resource: ProtectedResource,
    private readonly failures: TokenFailures,
    config: ConfigService<Environment, true>,
  ) {
    this.allowsTokenArgument = config.get('MCP_TOKEN_ARGUMENT', { infer: true }) === 'allow';
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const header = request.headers.authorization;
    if (header === undefined) {
      // Then the tools themselves ask for the token.
      if (this.allowsTokenArgument) return true;
      // Not counted as a failure: OAuth clients learn from the challenge where to get a token.
      const error = new OAuthError(OAuthErrorCode.InvalidToken, 'A Bearer token is required');
      throw await this.challenge(error, reply);
    }
    try {
      request.raw.auth = await this.authenticate(header);
      return true;
    } catch (error) {
      if (!(error instanceof AccessTokenError)) throw error;
      const { fault, message } = error;
      if (fault === 'keys-unavailable') throw unavailable(message, reply);
      await this.count(fault, request, reply);
      throw await this.challenge(new OAuthError(OAuthErrorCode.InvalidToken, message), reply);
    }
  }

  private async authenticate(header: string): Promise<AuthInfo> {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1] ?? '';
    const accessToken = await this.tokens.verify(token);
    return {
      ...toAuthInfo(accessToken, this.resource.url),
      resourceMetadataUrl: this.resource.metadataUrl,
    };
  }

  private async count(fault: TokenFault, request: FastifyRequest, reply: FastifyReply) {
    const { ip: address, id: requestId } = request;
    const seconds = this.failures.record({ fault, address, requestId });
    if (seconds === undefined) return;
    void reply.header('retry-after', String(seconds));
    const error_description = `Too many wrong access tokens: try again in ${seconds} s`;
    throw new HttpException({ error: OAuthErrorCode.TooManyRequests, error_description }, 429);
  }

  private async challenge(error: OAuthError, reply: FastifyReply): Promise<HttpException> {
    const response = bearerAuthChallengeResponse(error, {
      resourceMetadataUrl: this.resource.metadataUrl,
      // Only tells clients what to ask for; each tool checks its own.
      requiredScopes: [...SCOPES],
    });
    const challenge = response.headers.get('www-authenticate');
    if (challenge !== null) void reply.header('www-authenticate', challenge);
    return new HttpException(challengeSchema.parse(await response.json()), response.status);
  }
}

function unavailable(message: string, reply: FastifyReply): HttpException {
  void reply.header('retry-after', '5');
  return new HttpException({ error: 'temporarily_unavailable', error_description: message }, 503);
}
