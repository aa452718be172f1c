import type { BenchRun } from '../bench-run.js';
import { CHECKOUT } from '../checkout.js';
import { findFreePort } from '../../scripts/free-port.js';
import { type LoadResult, type LoadTarget, p50sOf, p99sOf, ratesOf } from '../load/load.js';
import { type ToolCall, toolCallRequest } from '../mcp-call.js';
import { API_KEY, LATCHKEY } from '../peers.js';
import { PinnedProcess } from '../pinned-process.js';
import { describeRounds, formatCount, formatDecimal, formatSpread } from '../report/format.js';
import { markdownTable } from '../report/markdown-table.js';
import { medianOf, ratiosByRound } from '../statistics.js';
import type { Measurement } from './measurement.js';
import { MCP_SERVER_VARIABLES, mintTokens } from './mcp-users.js';

const CONNECTIONS = [16, 1];
const ECHOED = 'How much is there?';

interface McpServer {
  readonly title: string;
  readonly script: string;
  readonly variables: NodeJS.ProcessEnv;
  readonly callsBackend: boolean;
  readonly call: Omit<ToolCall, 'tokens'>;
}

const ECHO = {
  script: 'bench/dist/mcp-echo/main.js',
  callsBackend: false,
  call: { tool: 'echo', arguments: { text: ECHOED }, expects: ECHOED },
};

const GET_BALANCE = {
  variables: MCP_SERVER_VARIABLES,
  callsBackend: true,
  call: { tool: 'get_balance', arguments: {}, expects: 'balance is' },
};

const OURS: McpServer = {
  ...GET_BALANCE,
  title: 'get_balance of Latchkey',
  script: 'mcp-server/dist/bundle/main.js',
};

const SERVERS: readonly McpServer[] = [
  OURS,
  {
    ...GET_BALANCE,
    title: 'get_balance by hand: SDK and fetch only',
    script: 'bench/dist/mcp-by-hand/main.js',
  },
  { ...ECHO, title: 'echo that verifies the token', variables: MCP_SERVER_VARIABLES },
  { ...ECHO, title: 'echo, bare', variables: {} },
];

/** Compares Latchkey's get_balance, a handwritten get_balance, and tools that call no backend. */
export const mcpToolCall: Measurement = {
  name: 'mcp-tool-call',
  peers: () => [LATCHKEY],
  async run(run) {
    const tokens = await mintTokens();
    const results = await run.inTurns(
      SERVERS.map((server) => ({
        name: server.title,
        measure: () => measureWithBackend(run, server, tokens),
      })),
    );
    const { rounds, seconds } = run.options;
    return { text: table(results), conditions: describeRounds(rounds, seconds) };
  },
};

async function measureWithBackend(
  run: BenchRun,
  server: McpServer,
  tokens: readonly string[],
): Promise<LoadResult[]> {
  if (!server.callsBackend) return measure(run, server, tokens);
  const database = await run.database();
  return run.withServer({ peer: LATCHKEY, database }, ({ origin }) => {
    const backend = { BACKEND_API_URL: origin, INTERNAL_API_KEY: API_KEY };
    return measure(run, { ...server, variables: { ...server.variables, ...backend } }, tokens);
  });
}

/** Returns a result for each number of connections. */
async function measure(
  run: BenchRun,
  { script, variables, call }: McpServer,
  tokens: readonly string[],
): Promise<LoadResult[]> {
  const port = String(await findFreePort());
  const request = toolCallRequest({ ...call, tokens });
  const target = { origin: `http://127.0.0.1:${port}`, request };
  const server = await PinnedProcess.start({
    folder: CHECKOUT,
    args: [script],
    variables: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables, MCP_PORT: port },
  });
  try {
    await server.ready(() => isServing(target), run.signal);
    const results: LoadResult[] = [];
    for (const connections of CONNECTIONS) {
      // Warm up for each number of connections: only concurrent calls run the code that batches
      // look-ups.
      await run.warmUp(target, connections);
      results.push(await run.load(target, { connections }));
    }
    return results;
  } finally {
    await server.stop();
  }
}

async function isServing({
  origin,
  request: { path, headers, body = '', values, expects = '' },
}: LoadTarget): Promise<boolean> {
  const sent = Object.entries(headers).map(([name, text]): [string, string] => [
    name,
    text.replaceAll('{value}', values[0] ?? ''),
  ]);
  try {
    const response = await fetch(`${origin}${path}`, { method: 'POST', headers: sent, body });
    return (await response.text()).includes(expects);
  } catch {
    return false;
  }
}

/** @param results by server, round and number of connections */
function table(results: readonly LoadResult[][][]): string {
  const rows = CONNECTIONS.flatMap((connections, index) => {
    const all = results.map((rounds) => rounds.flatMap((round) => round[index] ?? []));
    const [ours = []] = all;
    return SERVERS.map(({ title }, server) => row(title, connections, all[server] ?? [], ours));
  });
  const ratios = ['calls/s', 'p50', 'p99'].map((figure) => `Latchkey ÷ this row: ${figure}`);
  return markdownTable([['', 'connections', 'calls/s', 'p50, ms', 'p99, ms', ...ratios], ...rows]);
}

function row(
  title: string,
  connections: number,
  rounds: readonly LoadResult[],
  ours: readonly LoadResult[],
): string[] {
  return [
    title,
    String(connections),
    formatCount(medianOf(ratesOf(rounds))),
    formatDecimal(medianOf(p50sOf(rounds))),
    formatDecimal(medianOf(p99sOf(rounds))),
    ...[ratesOf, p50sOf, p99sOf].map((figures) =>
      formatSpread(ratiosByRound(figures(ours), figures(rounds))),
    ),
  ];
}
