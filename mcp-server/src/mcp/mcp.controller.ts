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

// Of an exchange: calls of the backend, one after another, and the time for all else.
const MOST_CALLS = 3;
const ALL_ELSE_MS = 10_000;

/**
 * Streamable HTTP, without state: every request gets a server of its own, whatever its protocol
 * version.
 */
@Controller('mcp')
@UseGuards(HostGuard, BearerGuard, RateLimitGuard)
export class McpController implements OnApplicationShutdown {
  private readonly logger = new Logger(McpController.name);
  private readonly handler: McpHttpHandler;
  private readonly limitMs: number;

  constructor(factory: McpServerFactory, config: ConfigService<Environment, true>) {
    this.limitMs =
      MOST_CALLS * config.get('BACKEND_TOTAL_TIMEOUT_MS', { infer: true }) + ALL_ELSE_MS;
    const onerror = (error: Error) => this.logger.debug(`The MCP SDK reported ${error.name}`);
    this.handler = createMcpHandler((connection) => factory.create(connection), {
      maxRequestBodySize: MAX_REQUEST_BYTES,
      onerror,
    });
  }

  @All()
  async answer(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // The tools read these; a client cannot set them.
    request.raw.headers['x-request-id'] = request.id;
    request.raw.headers[CLIENT_ADDRESS_HEADER] = request.ip;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.hijack();
    // The SDK never ends an exchange whose calls were all cancelled.
    const limit = setTimeout(() => request.raw.socket.destroy(), this.limitMs).unref();
    onResponseEnd(reply.raw, () => clearTimeout(limit));
    await exchange(this.handler, request.raw, reply.raw).catch((error: unknown) => {
      this.logger.error(error);
      reply.raw.destroy();
    });
  }

  // Not before: closing ends the calls in progress.
  async onApplicationShutdown(): Promise<void> {
    await this.handler.close();
  }
}
