import {
  AccessTokenError,
  type AccessTokenFault,
  AccessTokenVerifier,
} from '@latchkey/access-tokens/verifier';
import { inSpan } from '@latchkey/tracing/spans';
import { Inject, Injectable } from '@nestjs/common';
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { type User, pseudonym, toUser } from '../auth/user.js';
import type { CallOptions } from '../backend/backend-calls.js';
import { RateLimit } from '../limits/rate-limit.js';
import { TokenFailures } from '../limits/token-failures.js';
import { PROCESS_LOGGER } from '../process-logger.js';
import { displayText } from './display-text.js';
import { describeFailure } from './failure.js';
import { MissingFieldsError } from './user-requirements.js';
import { type Tool, ToolError } from './tool.js';

/** The caller of a tool and its client. */
export interface Invocation extends CallOptions {
  /** Finds the user of the connection; undefined if the token has to come as an argument. */
  readonly findUser: () => Promise<User | undefined>;
  /** The `jwt_token` argument, where it is allowed. */
  readonly tokenArgument?: string | undefined;
  readonly era: 'legacy' | 'modern';
  /** The client's IP address, over HTTP. */
  readonly clientAddress?: string | undefined;
  /** The name that the client gives itself. */
  readonly clientName?: string | undefined;
}

/** A completed tool call. */
export interface FinishedToolCall {
  readonly tool: string;
  /** `ok`, `cancelled`, or the code of the failure: one of a fixed set of words. */
  readonly outcome: string;
  readonly durationMs: number;
}

/**
 * Calls tools: identifies the user, checks the scope and the rate, gives every failure a fixed
 * sentence, and logs one line.
 */
@Injectable()
export class ToolCaller {
  /** Set by an observer, which returns at once and never throws. */
  onFinished: (call: FinishedToolCall) => void = () => {};

  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly rateLimit: RateLimit,
    private readonly tokenFailures: TokenFailures,
    @Inject(PROCESS_LOGGER) private readonly logger: Logger,
  ) {}

  /** @param args as the tool's input schema has parsed them */
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
      await this.requireRate(user);
      const options = { ...invocation, actingUser: user.id };
      const { message, structured } = await tool.run(args, user, options);
      return answer(message, structured);
    } catch (error) {
      const failure = describeFailure(error);
      outcome = invocation.signal?.aborted ? 'cancelled' : failure.code;
      if (error instanceof MissingFieldsError) {
        const fields = { tool: tool.name, fields: error.fields };
        this.logger.warn(
          fields,
          'the API key for the backend cannot read fields that a tool needs',
        );
      }
      if (outcome === 'unexpected') this.logger.error({ err: error }, 'a tool failed');
      return { isError: true, content: [{ type: 'text', text: failure.sentence }] };
    } finally {
      const durationMs = performance.now() - startedAt;
      const finished = { tool: tool.name, outcome, durationMs };
      this.onFinished(finished);
      this.log(finished, invocation, user);
    }
  }

  private async identify(invocation: Invocation): Promise<User> {
    const { findUser, tokenArgument } = invocation;
    try {
      const user = await findUser();
      if (user === undefined) return toUser(await this.verifier.verify(tokenArgument ?? ''));
      if (tokenArgument === undefined) return user;
    } catch (error) {
      if (!(error instanceof AccessTokenError)) throw error;
      await this.countFailure(error.fault, invocation);
      const advice =
        error.fault === 'keys-unavailable' ? 'Try again in a few seconds' : 'Get a new one';
      throw new ToolError(`token-${error.fault}`, `${error.message}. ${advice}.`);
    }
    throw new ToolError('two-tokens', 'Leave jwt_token out: the connection says who the user is.');
  }

  // Counts argument tokens only: the guard counts a connection's token, and stdio needs no limit.
  private async countFailure(
    fault: AccessTokenFault,
    { tokenArgument, clientAddress: address, requestId = '' }: Invocation,
  ): Promise<void> {
    if (tokenArgument === undefined || address === undefined || fault === 'keys-unavailable')
      return;
    const seconds = this.tokenFailures.record({ fault, address, requestId });
    if (seconds === undefined) return;
    throw new ToolError(
      'too-many-token-failures',
      `Too many wrong access tokens: try again in ${seconds} s.`,
    );
  }

  // Per call, not per request: a batch (older protocol) holds up to 100 calls.
  private async requireRate({ id }: User): Promise<void> {
    const seconds = await this.rateLimit.consume(`calls of user:${id}`);
    if (seconds === undefined) return;
    throw new ToolError('rate-limited', `Too many tool calls: try again in ${seconds} s.`);
  }

  private log(
    { tool, outcome, durationMs }: FinishedToolCall,
    { era, clientName, requestId }: Invocation,
    user: User | undefined,
  ): void {
    this.logger.info(
      {
        tool,
        outcome,
        durationMs: Math.round(durationMs),
        user: user === undefined ? null : pseudonym(user.id),
        client: clientName === undefined ? null : displayText(clientName, 64),
        clientId: user?.clientId === undefined ? null : displayText(user.clientId, 64),
        era,
        requestId,
      },
      'tool call',
    );
  }
}

// Over HTTP the SDK has checked the scope already; for stdio and the token argument this is the
// only check.
function requireScope(user: User, scope: string): void {
  if (user.scopes.includes(scope)) return;
  throw new ToolError('scope-missing', `The access token lacks the scope "${scope}".`);
}

/** The sentence first, then the same as JSON for clients that don't read structured content. */
function answer(message: string, structured: Record<string, unknown>): CallToolResult {
  return {
    content: [
      { type: 'text', text: message },
      { type: 'text', text: JSON.stringify(structured) },
    ],
    structuredContent: structured,
  };
}
