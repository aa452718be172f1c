import {
  All,
  Controller,
  Logger,
  type OnApplicationShutdown,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { onResponseEnd } from '@latchkey/http-front/response-end';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import { ConfigService } from '@nestjs/config';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BearerGuard } from '../auth/bearer.guard.js';
import { HostGuard } from '../auth/host.guard.js';
import { RateLimitGuard } from '../auth/rate-limit.js';
import type { Environment } from '../config/environment.js';
import { MAX_REQUEST_BYTES, exchange } from './http-exchange.js';
import { CLIENT_ADDRESS_HEADER, McpServerFactory } from './mcp-server.factory.js';

// The time limit of an exchange allows for 3 consecutive backend calls and 10 s for the rest.
const MAX_CALLS = 3;
const OTHER_MS = 10_000;

/** Stateless streamable HTTP: each request gets its own `McpServer`. */
@Controller('mcp')
@UseGuards(HostGuard, BearerGuard, RateLimitGuard)
export class McpController implements OnApplicationShutdown {
  private readonly logger = new Logger(McpController.name);
  private readonly handler: McpHttpHandler;
  private readonly timeoutMs: number;

  constructor(factory: McpServerFactory, config: ConfigService<Environment, true>) {
    this.timeoutMs = MAX_CALLS * config.get('BACKEND_TOTAL_TIMEOUT_MS', { infer: true }) + OTHER_MS;
    this.handler = createMcpHandler((connection) => factory.create(connection), {
      maxRequestBodySize: MAX_REQUEST_BYTES,
      onerror: ({ name }) => this.logger.debug(`The MCP SDK reported ${name}`),
    });
  }

  @All()
  async exchange(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { raw, id, ip } = request;
    // `McpServerFactory` reads these headers, so any values from the client are overwritten.
    raw.headers['x-request-id'] = id;
    raw.headers[CLIENT_ADDRESS_HEADER] = ip;
    // The SDK never ends an exchange whose calls are all cancelled, so a timer closes the socket.
    const timer = setTimeout(() => raw.socket.destroy(), this.timeoutMs).unref();
    onResponseEnd(reply.raw, () => clearTimeout(timer));
    await exchange(this.handler, request, reply);
  }

  // Nest's last hook: closing the handler earlier would abort the calls that are still in flight.
  async onApplicationShutdown(): Promise<void> {
    await this.handler.close();
  }
}
