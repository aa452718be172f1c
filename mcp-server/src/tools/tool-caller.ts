import {
  AccessTokenError,
  type AccessTokenFault,
  AccessTokenVerifier,
} from '@latchkey/access-tokens/verifier';
import { withoutRedaction } from '@latchkey/logging/logger';
import { inSpan } from '@latchkey/tracing/spans';
import { Inject, Injectable } from '@nestjs/common';
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { RateLimit } from '../auth/rate-limit.js';
import { TokenFailures } from '../auth/token-failures.js';
import { type User, pseudonym } from '../auth/user.js';
import type { CallOptions } from '../backend/backend-transport.js';
import { PROCESS_LOGGER } from '../process-logger.js';
import { displayText } from './display-text.js';
import { type Tool, ToolError } from './tool.js';
import { toToolError } from './tool-failure.js';
import { MissingFieldsError } from './user-requirements.js';

/** The context of a tool call: its user, client and request. */
export interface Invocation extends CallOptions {
  /** Resolves to the user of the connection; to undefined if the connection has no token. */
  readonly findUser: () => Promise<User | undefined>;
  /** The `jwt_token` argument, if `MCP_TOKEN_ARGUMENT` allows it. */
  readonly tokenArgument?: string;
  /** `legacy` for clients with an MCP revision before 2026-07-28, `modern` for other clients. */
  readonly era: 'legacy' | 'modern';
  /** The client's IP address; undefined over stdio. */
  readonly clientAddress?: string;
  /** The name that the client gives itself. */
  readonly clientName?: string;
}

/** Runs and logs tool calls: identifies the user, checks scope and rate limit, renders errors. */
@Injectable()
export class ToolCaller {
  /**
   * Set by the metrics module. The callback must not block or throw. The outcome is `ok`,
   * `cancelled` or the code of a `ToolError`.
   */
  onFinished: (tool: string, outcome: string, durationMs: number) => void = () => {};

  private readonly callLogger: Logger;

  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly rateLimit: RateLimit,
    private readonly tokenFailures: TokenFailures,
    @Inject(PROCESS_LOGGER) private readonly logger: Logger,
  ) {
    this.callLogger = withoutRedaction(logger);
  }

  /** @param args the arguments, which the tool's input schema has already parsed */
  async call(
    tool: Tool,
    args: Record<string, unknown>,
    invocation: Invocation,
  ): Promise<CallToolResult> {
    const attributes = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': tool.name };
    const name = `tools/call ${tool.name}`;
    const span = { name, kind: 'internal', attributes, parent: invocation.trace } as const;
    return inSpan(span, () => this.run(tool, args, invocation));
  }

  private async run(
    tool: Tool,
    args: Record<string, unknown>,
    invocation: Invocation,
  ): Promise<CallToolResult> {
    const startedAt = performance.now();
    let user: User | undefined;
    let outcome = 'ok';
    try {
      user = await this.identify(invocation);
      requireScope(user, tool.scope);
      this.requireRate(user);
      const options = { ...invocation, actingUser: user.userId };
      const { message, structured } = await tool.run(args, user, options);
      // The message, then the JSON for clients that don't read `structuredContent`.
      const content = [message, JSON.stringify(structured)].map(toContent);
      return { content, structuredContent: structured };
    } catch (error) {
      const { code, message } = toToolError(error);
      outcome = invocation.signal?.aborted ? 'cancelled' : code;
      if (error instanceof MissingFieldsError) {
        const fields = { tool: tool.name, fields: error.fields };
        this.logger.warn(
          fields,
          'the API key for the backend cannot read fields that a tool needs',
        );
      }
      if (outcome === 'unexpected') this.logger.error({ err: error }, 'a tool failed');
      return { isError: true, content: [toContent(message)] };
    } finally {
      const durationMs = performance.now() - startedAt;
      this.onFinished(tool.name, outcome, durationMs);
      const { era, clientName: client, requestId } = invocation;
      const fields = {
        tool: tool.name,
        outcome,
        durationMs: Math.round(durationMs),
        user: user === undefined ? null : pseudonym(user.userId),
        client: client === undefined ? null : displayText(client, 64),
        clientId: user?.clientId === undefined ? null : displayText(user.clientId, 64),
        era,
        requestId,
      };
      this.callLogger.info(fields, 'tool call');
    }
  }

  private async identify(invocation: Invocation): Promise<User> {
    const { findUser, tokenArgument } = invocation;
    try {
      const user = await findUser();
      if (user === undefined) return await this.verifier.verify(tokenArgument ?? '');
      if (tokenArgument === undefined) return user;
    } catch (error) {
      if (!(error instanceof AccessTokenError)) throw error;
      this.countFailure(error.fault, invocation);
      const advice =
        error.fault === 'keys-unavailable'
          ? 'Try again in a few seconds'
          : 'Get a new access token';
      throw new ToolError(`token-${error.fault}`, `${error.message}. ${advice}.`);
    }
    throw new ToolError(
      'two-tokens',
      'Leave jwt_token out: the connection already has an access token.',
    );
  }

  // Counts only wrong tokens in `jwt_token`. `BearerGuard` counts wrong tokens in headers, and
  // stdio needs no limit.
  private countFailure(
    fault: AccessTokenFault,
    { tokenArgument, clientAddress: address, requestId = '' }: Invocation,
  ): void {
    if (tokenArgument === undefined || address === undefined || fault === 'keys-unavailable') {
      return;
    }
    const seconds = this.tokenFailures.record({ fault, address, requestId });
    if (seconds === undefined) return;
    throw new ToolError(
      'too-many-token-failures',
      `Too many wrong access tokens: try again in ${seconds} s.`,
    );
  }

  // Needed for batches in older MCP revisions: `RateLimitGuard` counts a batch as one request.
  private requireRate({ userId }: User): void {
    const seconds = this.rateLimit.count(`calls of user:${userId}`);
    if (seconds === undefined) return;
    throw new ToolError('rate-limited', `Too many tool calls: try again in ${seconds} s.`);
  }
}

// Needed over stdio and for `jwt_token`: the MCP SDK checks scopes only for tokens in headers.
function requireScope(user: User, scope: string): void {
  if (user.scopes.includes(scope)) return;
  throw new ToolError('scope-missing', `The access token lacks the scope "${scope}".`);
}

function toContent(text: string) {
  return { type: 'text', text } as const;
}
