import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import {
  CLIENT_INFO_META_KEY,
  McpServer,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
  requireScopes,
  type McpRequestContext,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { type User, fromAuthInfo } from '../auth/user.js';
import type { Environment } from '../config/environment.js';
import { ToolCaller, type Invocation } from '../tools/tool-caller.js';
import { TOOLS, type Tool } from '../tools/tool.js';
import { readTraceContext } from './trace-context.js';

/** The controller sets this request header to the client's IP address. */
export const CLIENT_ADDRESS_HEADER = 'x-latchkey-client-address';

const SERVER_INFO = { name: 'latchkey', title: 'Latchkey', version: '0.1.0' };
const INSTRUCTIONS =
  'Tools for the account balances and the profile of the signed-in user. No tool shows other users.';

const tokenArgumentSchema = z
  .string()
  .max(8192)
  .optional()
  .describe('The user’s access token, only if the connection itself has none.');

// In older protocol versions, this key is absent: clients send their name only in `initialize`.
const clientInfoSchema = z.object({ [CLIENT_INFO_META_KEY]: z.object({ name: z.string() }) });

/** Creates an MCP server with all tools for one request or one stdio connection. */
@Injectable()
export class McpServerFactory {
  private readonly registrations;

  constructor(
    private readonly caller: ToolCaller,
    @Inject(TOOLS) tools: readonly Tool[],
    config: ConfigService<Environment, true>,
  ) {
    const allowsTokenArgument = config.get('MCP_TOKEN_ARGUMENT', { infer: true }) === 'allow';
    this.registrations = tools.map((tool) => describeTool(tool, allowsTokenArgument));
  }

  /** @param findUser finds the user of a stdio connection; over HTTP, the user is in the request */
  create(connection: McpRequestContext, findUser?: () => Promise<User>): McpServer {
    const server = new McpServer(SERVER_INFO, {
      capabilities: { tools: { listChanged: false } },
      instructions: INSTRUCTIONS,
    });
    for (const { tool, config } of this.registrations) {
      server.registerTool(tool.name, config, ({ jwt_token: token, ...args }, context) => {
        const { authInfo } = context.http ?? {};
        return this.caller.call(tool, args, {
          ...describeCall(context, connection),
          findUser: findUser ?? (async () => authInfo && fromAuthInfo(authInfo)),
          tokenArgument: typeof token === 'string' ? token : undefined,
        });
      });
    }
    return server;
  }
}

/** Prepares the arguments with which each new server registers a tool. */
function describeTool(tool: Tool, allowsTokenArgument: boolean) {
  const { title, description, annotations, input, output } = tool;
  const inputSchema: z.ZodObject = allowsTokenArgument
    ? input.extend({ jwt_token: tokenArgumentSchema })
    : input;
  const config = {
    title,
    description,
    annotations,
    inputSchema: prepareSchema(inputSchema),
    outputSchema: prepareSchema(output),
    scopeChallenge: requireScopes(tool.scope),
  };
  return { tool, config };
}

/** Caches the JSON Schema of a zod schema, because the MCP SDK asks for it at each request. */
function prepareSchema<Schema extends z.ZodObject>(
  schema: Schema,
): StandardSchemaWithJSON<z.input<Schema>, z.output<Schema>> {
  const { jsonSchema, ...standard } = schema['~standard'];
  const target = { target: 'draft-2020-12' } as const;
  const input = jsonSchema.input(target);
  const output = jsonSchema.output(target);
  return { '~standard': { ...standard, jsonSchema: { input: () => input, output: () => output } } };
}

function describeCall(
  { mcpReq }: ServerContext,
  { era, requestInfo }: McpRequestContext,
): Omit<Invocation, 'findUser' | 'tokenArgument'> {
  const { _meta: meta, envelope, signal } = mcpReq;
  const headers = requestInfo?.headers;
  return {
    era,
    clientName: clientInfoSchema.safeParse(envelope).data?.[CLIENT_INFO_META_KEY].name,
    requestId: headers?.get('x-request-id') ?? randomUUID(),
    clientAddress: headers?.get(CLIENT_ADDRESS_HEADER) ?? undefined,
    trace: readTraceContext(
      meta?.[TRACEPARENT_META_KEY] ?? headers?.get('traceparent'),
      meta?.[TRACESTATE_META_KEY] ?? headers?.get('tracestate'),
    ),
    signal,
  };
}
