import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { apiKeyMatcher } from '../api-key.js';
import { settings } from '../settings.js';

@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly isGoodKey = apiKeyMatcher(settings.apiKey);

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (this.isGoodKey(headers['x-api-key'])) return true;
    throw new UnauthorizedException('Invalid or missing API key');
  }
}
