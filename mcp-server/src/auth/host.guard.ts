import { parseHost } from '@latchkey/http-front/host';
import { type CanActivate, type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { validateOriginHeader } from '@modelcontextprotocol/server';
import type { FastifyRequest } from 'fastify';
import type { Environment } from '../config/environment.js';
import { jsonRpcError } from '../http/json-rpc-error.js';

/** Prevents DNS rebinding: rejects requests whose Host or Origin header names an unlisted host. */
@Injectable()
export class HostGuard implements CanActivate {
  constructor(private readonly config: ConfigService<Environment, true>) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const host = parseHost(headers.host ?? '');
    const hosts = this.config.get('MCP_ALLOWED_HOSTS', { infer: true });
    const origins = this.config.get('MCP_ALLOWED_ORIGINS', { infer: true });
    if (host === undefined || !hosts.includes(host)) throw forbidden('Host');
    if (!validateOriginHeader(headers.origin, origins).ok) throw forbidden('Origin');
    return true;
  }
}

function forbidden(header: string): HttpException {
  return new HttpException(jsonRpcError(`The host in the ${header} header is not allowed`), 403);
}
