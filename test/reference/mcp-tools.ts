import { TOOLS, type Tool } from '../../mcp-server/src/tools/tool.js';
import { fieldRows, readSchema } from './json-schema.js';
import { block, code, page, table } from './markdown.js';
import { createMcpServer } from './mcp-server.js';

const HEADINGS = ['field', 'values', 'required or default', 'meaning'];

export async function mcpToolsPage(): Promise<string> {
  const app = await createMcpServer();
  const tools = app.get<readonly Tool[]>(TOOLS, { strict: false });
  await app.close();
  return page(
    '# MCP tools',
    `The MCP server offers these tools. A call reads or changes the user of the access token; no tool
accepts a user id. If the token lacks the scope of the tool, the response is 403 with
\`insufficient_scope\`.`,
    'Call a tool from the command line:',
    block('sh', 'npm run call -- get_balance'),
    table(
      ['tool', 'title', 'scope', 'changes data'],
      tools.map(({ name, title, scope, annotations }) => [
        `[${code(name)}](#${title.toLowerCase().replaceAll(' ', '-')})`,
        title,
        code(scope),
        annotations.readOnlyHint === true ? 'no' : 'yes',
      ]),
    ),
    tools.map(describeTool),
  );
}

function describeTool({ name, title, description, input, output }: Tool): string[] {
  const inputs = fieldRows(readSchema(input));
  return [
    `## ${title}`,
    `${code(name)} – ${description}`,
    inputs.length === 0 ? 'Input: none.' : `Input:\n\n${table(HEADINGS, inputs)}`,
    `Output in \`structuredContent\` (the first text in \`content\` is a sentence for the user):`,
    table(HEADINGS, fieldRows(readSchema(output))),
  ];
}
