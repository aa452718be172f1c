import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type MetricsStack, metricsOf, startMetricsStack } from '../support/metrics-stack.js';
import { Scrape } from '../support/metrics.js';
import { hasProgram } from '../support/programs.js';
import type { ServerProcess } from '../support/server-process.js';

const FOLDER = fileURLToPath(new URL('../../deploy/observability/', import.meta.url));
const scrape = (server: ServerProcess) => Scrape.of(metricsOf(server));
const read = (name: string) => readFileSync(`${FOLDER}${name}`, 'utf8');

const dashboardSchema = z.object({
  templating: z.object({ list: z.array(z.object({ name: z.string() })) }),
  panels: z.array(
    z.object({
      type: z.string(),
      title: z.string(),
      description: z.string().default(''),
      targets: z.array(z.object({ expr: z.string() })).optional(),
    }),
  ),
});

const readDashboard = () => dashboardSchema.parse(JSON.parse(read('dashboard.json')));

/** Returns the names of the metrics in a query. */
function metricsIn(query: string): string[] {
  return query.match(/\b(?:latchkey|nodejs|process)_\w+/g) ?? [];
}

/** The text of each rule in alerts.yml. It starts with the name of the rule. */
function alertRules(): string[] {
  return read('alerts.yml')
    .split(/^ +- alert: /m)
    .slice(1);
}

describe('in deploy/observability and the reference,', () => {
  let stack: MetricsStack;
  let exported: Set<string>;
  beforeAll(async () => {
    stack = await startMetricsStack();
    const [backend, mcp] = [await scrape(stack.backend), await scrape(stack.mcp)];
    exported = new Set([...backend.names, ...mcp.names]);
  });
  afterAll(() => stack.stop());

  it('the dashboard uses only exported metrics', () => {
    const { panels } = readDashboard();
    const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(20);
    expect(queries.filter((query) => metricsIn(query).length === 0)).toEqual([]);
    for (const metric of queries.flatMap(metricsIn)) expect(exported).toContain(metric);
  });

  it('the alert rules use only exported metrics', () => {
    const expressions = alertRules().map(
      (rule) => /^ +expr:([^]*?)^ +(?:for|labels):/m.exec(rule)?.[1] ?? '',
    );
    expect(expressions.length).toBeGreaterThan(10);
    expect(expressions).not.toContain('');
    for (const metric of expressions.flatMap(metricsIn)) expect(exported).toContain(metric);
  });

  it('each panel of the dashboard has a description and shows only the selected instances', () => {
    const { panels, templating } = readDashboard();
    expect(panels[0]).toMatchObject({ type: 'row', title: 'Summary' });
    expect(templating.list.map(({ name }) => name)).toContain('instance');
    const graphs = panels.filter(({ type }) => type !== 'row');
    expect(graphs.filter(({ description }) => description === '')).toEqual([]);
    for (const { expr } of graphs.flatMap(({ targets = [] }) => targets)) {
      expect(expr).toContain('instance=~"$instance"');
      expect(expr).not.toMatch(/job=~?"(?!\$)/);
    }
  });

  it('every metric of Latchkey is used by the dashboard or by an alert rule', () => {
    const queried = new Set([read('dashboard.json'), read('alerts.yml')].flatMap(metricsIn));
    const ours = [...exported].filter((name) => /^latchkey_.*(?<!_(?:sum|bucket))$/.test(name));
    expect(ours.filter((name) => !queried.has(name) && !queried.has(bucketOf(name)))).toEqual([]);
  });

  it('the documentation describes every metric of Latchkey', () => {
    const path = '../../docs/reference/metrics-and-logs.md';
    const page = readFileSync(new URL(path, import.meta.url), 'utf8');
    const ours = [...exported].filter((name) => /^latchkey_.*(?<!_(?:sum|bucket))$/.test(name));
    const missing = ours.filter((name) => !page.includes(`\`${name.replace(/_count$/, '')}\``));
    expect(missing).toEqual([]);
  });
});

describe('the Prometheus alert', () => {
  const runbook = readFileSync(
    new URL('../../docs/how-to/alert-runbook.md', import.meta.url),
    'utf8',
  );
  const names = alertRules().map((rule) => /^\w+/.exec(rule)?.[0] ?? '');

  it.each(names)('%s links to its section of the runbook', (name) => {
    const rule = alertRules().find((each) => each.startsWith(`${name}\n`));
    expect(rule).toContain(`runbook_url: 'docs/how-to/alert-runbook.md#${name.toLowerCase()}'`);
    expect(runbook).toMatch(new RegExp(`^### ${name}$`, 'm'));
  });
});

const bucketOf = (name: string) => name.replace(/_count$/, '_bucket');

describe.skipIf(!hasProgram('promtool'))('promtool', () => {
  const promtool = (...words: string[]) => execFileSync('promtool', words, { cwd: FOLDER });

  it('accepts the configuration', () => {
    expect(promtool('check', 'config', 'prometheus.yml').toString()).toContain('SUCCESS');
  });

  it('confirms that every alert fires when its condition holds, and not earlier', () => {
    promtool('test', 'rules', 'alerts.test.yml');
    for (const [, name] of read('alerts.yml').matchAll(/^ +- alert: (\w+)/gm)) {
      expect(read('alerts.test.yml')).toContain(`alertname: ${name}`);
    }
  });
});
