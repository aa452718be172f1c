import { AccessTokenError, AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
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
import { ProtectedResource } from './protected-resource.js';
import { SCOPES } from './scopes.js';
import { toAuthInfo } from './user.js';

declare module 'http' {
  interface IncomingMessage {
    /** Set by `BearerGuard`, where the MCP SDK looks for it. */
    auth?: AuthInfo;
  }
}

const challengeSchema = z.object({ error: z.string(), error_description: z.string() });

/** Admits a request whose Bearer token is good, and sets `request.raw.auth`. Challenges all others (401). */
@Injectable()
export class BearerGuard implements CanActivate {
  private readonly allowsTokenArgument: boolean;

  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly resource: ProtectedResource,
    config: ConfigService<Environment, true>,
  ) {
    this.allowsTokenArgument = config.get('MCP_TOKEN_ARGUMENT', { infer: true }) === 'allow';
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const header = request.headers.authorization;
    // Then the tools themselves ask for the token.
    if (header === undefined && this.allowsTokenArgument) return true;
    try {
      request.raw.auth = await this.authenticate(header);
      return true;
    } catch (error) {
      throw await this.challenge(error, http.getResponse<FastifyReply>());
    }
  }

  private async authenticate(header: string | undefined): Promise<AuthInfo> {
    const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    if (token === undefined) {
      throw new OAuthError(OAuthErrorCode.InvalidToken, 'A Bearer token is required');
    }
    const accessToken = await this.verifier.verify(token);
    return {
      ...toAuthInfo(accessToken, this.resource.url),
      resourceMetadataUrl: this.resource.metadataUrl,
    };
  }

  private async challenge(error: unknown, reply: FastifyReply): Promise<HttpException> {
    if (error instanceof AccessTokenError && error.fault === 'keys-unavailable') {
      void reply.header('retry-after', '5');
      return new HttpException(
        { error: 'temporarily_unavailable', error_description: error.message },
        503,
      );
    }
    const cause =
      error instanceof AccessTokenError
        ? new OAuthError(OAuthErrorCode.InvalidToken, error.message)
        : error;
    const response = bearerAuthChallengeResponse(cause, {
      resourceMetadataUrl: this.resource.metadataUrl,
      // Only tells clients what to ask for; each tool checks its own.
      requiredScopes: [...SCOPES],
    });
    const challenge = response.headers.get('www-authenticate');
    if (challenge !== null) void reply.header('www-authenticate', challenge);
    return new HttpException(challengeSchema.parse(await response.json()), response.status);
  }
}
