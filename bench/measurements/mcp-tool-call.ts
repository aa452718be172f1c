import type { BenchRun } from '../bench-run.js';
import { CHECKOUT } from '../checkout.js';
import type { Database } from '../database.js';
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

const CONNECTIONS = [1, 16];
const ECHOED = 'How much is there?';

interface McpServer {
  readonly script: string;
  readonly variables: NodeJS.ProcessEnv;
  readonly call: ToolCall;
}

/** A tool of the MCP server, which asks the backend, against a tool of a bare server that asks nobody. */
export const mcpToolCall: Measurement = {
  name: 'mcp-tool-call',
  peers: () => [LATCHKEY],
  async run(run) {
    const database = await run.database();
    const tokens = await mintTokens();
    const [echo = [], balance = []] = await run.inTurns([
      { name: 'bare SDK server, echo', measure: () => measure(run, bareServer(tokens)) },
      { name: 'get_balance', measure: () => withBackend(run, database, tokens) },
    ]);
    const { rounds, seconds } = run.options;
    return { text: table(echo, balance), conditions: describeRounds(rounds, seconds) };
  },
};

function bareServer(tokens: readonly string[]): McpServer {
  return {
    script: 'bench/dist/mcp-echo/main.js',
    variables: {},
    call: { tool: 'echo', arguments: { text: ECHOED }, expects: ECHOED, tokens },
  };
}

function withBackend(
  run: BenchRun,
  database: Database,
  tokens: readonly string[],
): Promise<LoadResult[]> {
  return run.withServer({ peer: LATCHKEY, database }, ({ origin }) =>
    measure(run, {
      script: 'mcp-server/dist/main.js',
      variables: {
        ...MCP_SERVER_VARIABLES,
        BACKEND_API_URL: origin,
        INTERNAL_API_KEY: API_KEY,
      },
      call: { tool: 'get_balance', arguments: {}, expects: 'balance is', tokens },
    }),
  );
}

/** A result for each number of connections. */
async function measure(
  run: BenchRun,
  { script, variables, call }: McpServer,
): Promise<LoadResult[]> {
  const port = String(await findFreePort());
  const target = { origin: `http://127.0.0.1:${port}`, request: toolCallRequest(call) };
  const server = await PinnedProcess.start({
    folder: CHECKOUT,
    args: [script],
    variables: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables, MCP_PORT: port },
  });
  try {
    await server.ready(() => isAnswered(target), run.signal);
    await run.warmUp(target, Math.max(...CONNECTIONS));
    const results: LoadResult[] = [];
    for (const connections of CONNECTIONS) results.push(await run.load(target, { connections }));
    return results;
  } finally {
    await server.stop();
  }
}

async function isAnswered({
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

function table(echo: readonly LoadResult[][], balance: readonly LoadResult[][]): string {
  const rows = CONNECTIONS.flatMap((connections, index) => {
    const [bare, ours] = [echo, balance].map((rounds) =>
      rounds.flatMap((each) => each[index] ?? []),
    );
    return [
      row('bare SDK server, echo', connections, bare ?? [], bare ?? []),
      row('get_balance, with the backend behind it', connections, ours ?? [], bare ?? []),
    ];
  });
  return markdownTable([
    ['', 'connections', 'calls/s', 'p50, ms', 'p99, ms', 'calls/s ÷ echo’s'],
    ...rows,
  ]);
}

function row(
  title: string,
  connections: number,
  rounds: readonly LoadResult[],
  base: readonly LoadResult[],
): string[] {
  return [
    title,
    String(connections),
    formatCount(medianOf(ratesOf(rounds))),
    formatDecimal(medianOf(p50sOf(rounds))),
    formatDecimal(medianOf(p99sOf(rounds))),
    formatSpread(ratiosByRound(ratesOf(rounds), ratesOf(base))),
  ];
}
