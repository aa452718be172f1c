import type { INestApplicationContext } from '@nestjs/common';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { startApp } from '../support/app.js';
import { REQUEST_FIELDS, TOOL_CALL_FIELDS, writeRequestLines } from './log-fields.js';
import { block, code, page, table } from './markdown.js';
import { createMcpServer } from './mcp-server.js';

const HEADINGS = ['metric', 'type', 'labels', 'meaning'];

export async function metricsAndLogsPage(): Promise<string> {
  const backend = await startApp({
    DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    METRICS_PORT: '0',
  });
  const mcpServer = await createMcpServer();
  const [ofBackend, ofMcpServer] = await Promise.all([backend, mcpServer].map(metricsOf));
  await Promise.all([backend.close(), mcpServer.close()]);
  const outcomes = writeRequestLines().map(({ outcome, line }) =>
    [outcome, line['event'], line['level']].map((value) => code(String(value))),
  );
  return page(
    '# Metrics and log fields',
    '## Metrics',
    `Each server serves its metrics in the text format of Prometheus, on its own port: the backend
on \`METRICS_PORT\`, the MCP server on \`MCP_METRICS_PORT\`.`,
    block(
      'sh',
      'METRICS_PORT=9464 npm start\ncurl -s http://127.0.0.1:9464/metrics | grep latchkey_auth_attempts_total',
    ),
    '### Backend',
    table(HEADINGS, ofBackend ?? []),
    '### MCP server',
    table(HEADINGS, ofMcpServer ?? []),
    '### Node.js',
    'Both servers also have the [default metrics of prom-client](https://github.com/siimon/prom-client#default-metrics): `process_…` and `nodejs_…`.',
    '## Log fields',
    `Each server writes its log to stdout, one JSON object per line. Lines that do not describe a request
or a tool call have \`level\`, \`time\` and \`msg\`. Many also have \`context\` (the component) and
\`err\` (type, code, message and stack of an error).`,
    '### Request (backend)',
    'A line has `event`, `outcome`, `limit`, `source` and `client` only if the route requires an API key.',
    fieldTable(REQUEST_FIELDS),
    '### Outcomes and events',
    'The outcome of a request determines the event and the level of its line. There is one exception: if `limit` is `source-failures` (the client network has sent too many wrong keys), the event is `authn_login_fail_max` instead of `authn_login_fail`.',
    table(['outcome', 'event', 'level'], outcomes),
    'The meaning of some outcomes:',
    `- \`wrong-environment\`: the key belongs to an environment other than \`API_KEY_ENVIRONMENT\`.
- \`foreign-network\`: the client address is outside the networks that the key is accepted from.
- \`unverifiable\`: the key cache may be out of date, so the response is 503 \`KEYS_UNAVAILABLE\`.
- \`enumeration-limited\`: the key exceeds its hourly limit of distinct users or misses.`,
    '### Tool call (MCP server)',
    fieldTable(TOOL_CALL_FIELDS),
  );
}

async function metricsOf(app: INestApplicationContext): Promise<string[][]> {
  const registry = app.get(Registry, { strict: false });
  const metrics = await registry.getMetricsAsJSON();
  const own = metrics.filter(({ name }) => name.startsWith('latchkey_'));
  return own.map(({ name, type, help }) => {
    const labels = z.object({ labelNames: z.array(z.string()) });
    const { labelNames } = labels.parse(registry.getSingleMetric(name));
    return [code(name), z.string().parse(type), labelNames.join(', '), help];
  });
}

function fieldTable(fields: Readonly<Record<string, string>>): string {
  return table(
    ['field', 'meaning'],
    Object.entries(fields).map(([name, meaning]) => [code(name), meaning]),
  );
}
