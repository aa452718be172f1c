import { AccessTokenVerifier } from '@latchkey/access-tokens/verifier';
import { createLoggerFor } from '@latchkey/logging/logger';
import type { INestApplicationContext } from '@nestjs/common';
import { z } from 'zod';
import { RateLimit } from '../../mcp-server/src/auth/rate-limit.js';
import { TokenFailures } from '../../mcp-server/src/auth/token-failures.js';
import { ToolCaller } from '../../mcp-server/src/tools/tool-caller.js';
import { TOOLS, type Tool } from '../../mcp-server/src/tools/tool.js';
import { RequestLog } from '../../src/http/request-log.js';
import { type AttemptOutcome, ATTEMPT_OUTCOMES } from '../../src/requests/request-event.js';

/** The fields of a request's log line. The last five exist only if the route requires a key. */
export const REQUEST_FIELDS: Readonly<Record<string, string>> = {
  level:
    '`warn` for some outcomes (next table); `debug` for successful requests to `/api/health` and `/api/docs`; otherwise `info`.',
  time: 'Time at which the line was written, ISO 8601 in UTC.',
  msg: 'Always `request`.',
  requestId: 'The `X-Request-Id` of the response.',
  durationMs: 'Milliseconds from the arrival of the request to the end of the response.',
  method: 'HTTP method.',
  route: 'Pattern of the route, such as `/api/internal/users/:id`; null if no route matches.',
  status: 'Status of the response; 499 if the client disconnected before the response.',
  keyId:
    'Id of the issued or root key, even if it is revoked or expired; null without a known key.',
  event: 'Name of the event in the OWASP logging vocabulary (next table).',
  outcome: 'Outcome of the key check (next table).',
  limit:
    'Limit that refused the request: `key-rate`, `key-concurrency`, `key-enumeration` or `source-failures`; otherwise null.',
  source: 'IP address of the client.',
  client: 'First product in the header `User-Agent`, such as `curl/8`; null without this header.',
};

/** The fields of the log line of a tool call. */
export const TOOL_CALL_FIELDS: Readonly<Record<string, string>> = {
  level: 'Always `info`.',
  time: 'Time at which the line was written, ISO 8601 in UTC.',
  msg: 'Always `tool call`.',
  tool: 'Name of the tool.',
  outcome: '`ok`, `cancelled`, or the code of the error, such as `token-expired`.',
  durationMs: 'Duration of the call in milliseconds.',
  user: 'Pseudonym of the user, the same in all calls of this user; null without a valid token.',
  client: 'Name that the MCP client states for itself; null if it states none.',
  clientId: 'The `client_id` of the access token; null if the token has none.',
  era: 'Generation of the MCP protocol that the client uses: `legacy` or `modern`.',
  requestId: 'Id of the request, which the MCP server also sends to the backend.',
};

const lineSchema = z.record(z.string(), z.union([z.string(), z.number(), z.null()]));

/** Writes the log line of a request once for each outcome. */
export function writeRequestLines() {
  return ATTEMPT_OUTCOMES.map((outcome) => ({ outcome, line: writeRequestLine(outcome) }));
}

/** Writes the log line for a tool call without a valid token. */
export async function writeToolCallLine(mcpServer: INestApplicationContext) {
  const [tool] = mcpServer.get<readonly Tool[]>(TOOLS, { strict: false });
  if (tool === undefined) throw new Error('The MCP server has no tool');
  const { logger, readLine } = openLog();
  const caller = new ToolCaller(
    mcpServer.get(AccessTokenVerifier, { strict: false }),
    mcpServer.get(RateLimit, { strict: false }),
    mcpServer.get(TokenFailures, { strict: false }),
    logger,
  );
  await caller.call(tool, {}, { findUser: async () => undefined, era: 'modern', requestId: 'r1' });
  return readLine();
}

function writeRequestLine(outcome: AttemptOutcome) {
  const { logger, readLine } = openLog();
  const labels = {
    method: 'GET',
    route: '/api/internal/users/:id',
    status: 200,
    source: '192.0.2.1',
    client: 'curl/8',
    keyId: 'k1',
    outcome,
    limit: null,
  };
  new RequestLog(logger).write(labels, [{ labels, requestId: 'r1', durationMs: 1 }]);
  return readLine();
}

function openLog() {
  let text = '';
  const logger = createLoggerFor({ write: (line) => void (text = line) }, 'info');
  return { logger, readLine: () => lineSchema.parse(JSON.parse(text)) };
}
