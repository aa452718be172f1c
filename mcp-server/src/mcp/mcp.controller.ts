import {
  All,
  Controller,
  Logger,
  type OnApplicationShutdown,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { onResponseEnd } from '@latchkey/shutdown/response-end';
import { toNodeHandler, type NodeMcpRequestHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BearerGuard } from '../auth/bearer.guard.js';
import { HostGuard } from '../auth/host.guard.js';
import { RateLimitGuard } from '../limits/rate-limit.guard.js';
import { McpServerFactory } from './mcp-server.factory.js';

const MAX_REQUEST_BYTES = 256 * 1024;
// Far beyond what a call may take.
const EXCHANGE_LIMIT_MS = 60_000;

/** Streamable HTTP, without state: every request gets a server of its own, whatever its protocol version. */
@Controller('mcp')
@UseGuards(HostGuard, BearerGuard, RateLimitGuard)
export class McpController implements OnApplicationShutdown {
  private readonly logger = new Logger(McpController.name);
  private readonly handler: McpHttpHandler;
  private readonly handle: NodeMcpRequestHandler;

  constructor(factory: McpServerFactory) {
    const onerror = (error: Error) => this.logger.debug(`Refused by the MCP SDK: ${error.name}`);
    const limits = { maxRequestBodySize: MAX_REQUEST_BYTES, onerror };
    this.handler = createMcpHandler((connection) => factory.create(connection), limits);
    this.handle = toNodeHandler(this.handler, limits);
  }

  @All()
  async answer(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // The tools take the request id from here.
    request.raw.headers['x-request-id'] = request.id;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.hijack();
    // The SDK never ends an exchange whose calls were all cancelled.
    const limit = setTimeout(() => request.raw.socket.destroy(), EXCHANGE_LIMIT_MS).unref();
    onResponseEnd(reply.raw, () => clearTimeout(limit));
    await this.handle(request.raw, reply.raw);
  }

  // Not before: closing ends the calls in progress.
  async onApplicationShutdown(): Promise<void> {
    await this.handler.close();
  }
}
