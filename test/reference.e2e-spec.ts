import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { commandLinePage } from './reference/command-line.js';
import { configurationPage, readExample, variableDefaults } from './reference/configuration.js';
import { databasePage } from './reference/database.js';
import { errorEntries, errorsPage } from './reference/errors.js';
import { httpApiPage } from './reference/http-api.js';
import {
  REQUEST_FIELDS,
  TOOL_CALL_FIELDS,
  writeRequestLines,
  writeToolCallLine,
} from './reference/log-fields.js';
import { createMcpServer } from './reference/mcp-server.js';
import { mcpToolsPage } from './reference/mcp-tools.js';
import { metricsAndLogsPage } from './reference/metrics-and-logs.js';
import { scopesAndFieldsPage } from './reference/scopes-and-fields.js';

const PAGES = {
  'command-line': commandLinePage,
  configuration: configurationPage,
  database: databasePage,
  errors: errorsPage,
  'http-api': httpApiPage,
  'mcp-tools': mcpToolsPage,
  'metrics-and-logs': metricsAndLogsPage,
  'scopes-and-fields': scopesAndFieldsPage,
};

describe('the reference', () => {
  // `npm run reference` updates the pages.
  it.each(Object.entries(PAGES))('has a page %s that matches the code', async (name, write) => {
    await expect(await write()).toMatchFileSnapshot(`../docs/reference/${name}.md`);
  });

  it('documents each error under the anchor that its problem type names', async () => {
    const page = await readFile('docs/reference/errors.md', 'utf8');
    for (const { code, anchor } of errorEntries()) {
      const [, heading = ''] = new RegExp(`^## (.+)\\n\\n\`${code}\``, 'm').exec(page) ?? [];
      expect(heading.toLowerCase().replaceAll(' ', '-')).toBe(anchor);
    }
  });

  it('documents the fields of the log lines', async () => {
    const mcpServer = await createMcpServer();
    const toolCall = await writeToolCallLine(mcpServer);
    await mcpServer.close();
    expect(Object.keys(toolCall).toSorted()).toEqual(Object.keys(TOOL_CALL_FIELDS).toSorted());
    for (const { line } of writeRequestLines()) {
      expect(Object.keys(line).toSorted()).toEqual(Object.keys(REQUEST_FIELDS).toSorted());
    }
  });
});

describe('.env.example', () => {
  it('has exactly the variables of both servers, each with a comment', async () => {
    const text = await readFile('.env.example', 'utf8');
    const names = text.match(/^\w+(?==)/gm);
    expect(names?.toSorted()).toEqual([...variableDefaults().keys()].toSorted());
    expect([...(await readExample()).keys()]).toEqual(names);
  });

  it('states the defaults of the schemas', async () => {
    const defaults = variableDefaults();
    const stated = [...(await readExample())].flatMap(([name, { value }]) =>
      value === '' ? [] : [[name, value]],
    );
    expect(stated).toEqual(stated.map(([name = '']) => [name, defaults.get(name)]));
  });
});
