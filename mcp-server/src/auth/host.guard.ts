import { parseHost } from '@latchkey/http-front/host';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { validateOriginHeader } from '@modelcontextprotocol/server';
import type { FastifyRequest } from 'fastify';
import type { Environment } from '../config/environment.js';

/**
 * Refuses a foreign Host or Origin: a web page that has its own name point to this server (DNS
 * rebinding).
 */
@Injectable()
export class HostGuard implements CanActivate {
  private readonly hosts: string[];
  private readonly origins: string[];

  constructor(config: ConfigService<Environment, true>) {
    this.hosts = config.get('MCP_ALLOWED_HOSTS', { infer: true });
    this.origins = config.get('MCP_ALLOWED_ORIGINS', { infer: true });
  }

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const host = parseHost(headers.host ?? '');
    if (host === undefined || !this.hosts.includes(host)) throw forbidden('Host');
    if (!validateOriginHeader(headers.origin, this.origins).ok) throw forbidden('Origin');
    return true;
  }
}

function forbidden(header: string): HttpException {
  const error = { code: -32000, message: `The ${header} header is not allowed` };
  return new HttpException({ jsonrpc: '2.0', error, id: null }, 403);
}
