/**
 * `npm run call -- TOOL [ARGUMENTS]`: calls a tool of the running MCP server for the demo user
 * 12345, and prints the tool's response. ARGUMENTS is a JSON object, or `--name value` for each
 * argument.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { parseEnvironment } from '../mcp-server/src/config/environment.js';
import { loadStartVariables } from '../packages/environment/src/env-files.js';
import { mintAccessToken } from './start/usage.js';

const USAGE = `Usage: npm run call -- TOOL ['{"name": "value"}' | --name value …]`;

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main([tool, ...rest]: string[]): Promise<void> {
  if (tool === undefined || tool.startsWith('-')) throw new Error(USAGE);
  const parameters = { name: tool, arguments: readArguments(rest) };
  loadStartVariables();
  const { MCP_PUBLIC_URL } = parseEnvironment(process.env);
  const token = await mintAccessToken(process.env);
  const client = await connect(new URL(MCP_PUBLIC_URL), token);
  try {
    const names = (await client.listTools()).tools.map(({ name }) => name);
    if (!names.includes(tool))
      throw new Error(`There is no tool ${tool}: use one of ${names.join(', ')}.`);
    const { content, isError } = await client.callTool(parameters);
    // The first item is for people. The later items repeat its content for programs.
    const [item] = content;
    console.log(item?.type === 'text' ? item.text : item);
    if (isError) process.exitCode = 1;
  } finally {
    await client.close();
  }
}

/** Parses without `parseArgs`, because a value may begin with `-`. */
function readArguments(words: string[]): Record<string, unknown> {
  const [first = '{}'] = words;
  if (words.length < 2 && !first.startsWith('--')) return parseArguments(first);
  const given: Record<string, unknown> = {};
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, name, inline] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const value = inline ?? rest.shift();
    if (name === undefined || value === undefined) throw new Error(USAGE);
    given[name.replaceAll('-', '_')] = value;
  }
  return given;
}

function parseArguments(json: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(json));
  } catch {
    throw new Error(USAGE);
  }
}

async function connect(url: URL, token: string): Promise<Client> {
  const client = new Client(
    { name: 'latchkey-call', version: '0.1.0' },
    { versionNegotiation: { mode: 'auto' } },
  );
  const authProvider = { token: async () => token };
  try {
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot connect to an MCP server at ${url.href} (${reason}): run npm start.`, {
      cause: error,
    });
  }
  return client;
}
