import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { findFreePort } from '../../scripts/free-port.js';
import { callTool } from '../../mcp-server/test/support/clients.js';
import { token } from '../../mcp-server/test/support/tokens.js';
import { type MetricsStack, metricsOf, startMetricsStack } from '../support/metrics-stack.js';
import { hasProgram } from '../support/programs.js';

const RULES = fileURLToPath(new URL('../../deploy/observability/alerts.yml', import.meta.url));
const SCRAPE_SECONDS = 1;
// One scrape, one evaluation of the rules, and a margin for a busy machine.
const ONE_SCRAPE_MS = 2 * SCRAPE_SECONDS * 1000 + 2000;
const WAIT = { timeout: 60_000, interval: 100 };

const alertsSchema = z.object({
  data: z.object({
    alerts: z.array(z.object({ state: z.string(), labels: z.record(z.string(), z.string()) })),
  }),
});
const queryResultSchema = z.object({
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
});

/** A Prometheus process that scrapes both servers every second and evaluates Latchkey's rules. */
class Prometheus {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly url: string,
  ) {}

  static async start(stack: MetricsStack): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-prometheus-'));
    const target = (job: string, url: string) =>
      `  - job_name: ${job}\n    static_configs: [{ targets: ['${new URL(url).host}'] }]\n`;
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: ${SCRAPE_SECONDS}s, evaluation_interval: ${SCRAPE_SECONDS}s }\n` +
        `rule_files: ['${RULES}']\nscrape_configs:\n` +
        target('latchkey-backend', metricsOf(stack.backend)) +
        target('latchkey-mcp-server', metricsOf(stack.mcp)),
    );
    const address = `127.0.0.1:${await findFreePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=${address}`,
      ],
      { stdio: 'ignore' },
    );
    process.once('exit', () => child.kill('SIGKILL'));
    const prometheus = new Prometheus(child, folder, `http://${address}`);
    try {
      await vi.waitUntil(() => prometheus.isReady(), WAIT);
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
    return prometheus;
  }

  /** The labels of the firing alerts. */
  async firing(): Promise<Record<string, string>[]> {
    const { data } = alertsSchema.parse(await this.get('/api/v1/alerts'));
    return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
  }

  async value(query: string): Promise<number | undefined> {
    const path = `/api/v1/query?query=${encodeURIComponent(query)}`;
    const [first] = queryResultSchema.parse(await this.get(path)).data.result;
    return first && Number(first.value[1]);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
    rmSync(this.folder, { recursive: true });
  }

  private async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/-/ready`)).ok;
    } catch {
      return false;
    }
  }

  private async get(path: string): Promise<unknown> {
    return (await fetch(this.url + path)).json();
  }
}

describe.skipIf(!hasProgram('prometheus'))('Prometheus', () => {
  let stack: MetricsStack;
  let prometheus: Prometheus;
  beforeAll(async () => {
    stack = await startMetricsStack({ ALERT_SOURCE_FAILURES: '20', ALERT_QUIET_SECONDS: '5' });
    prometheus = await Prometheus.start(stack);
    await vi.waitUntil(async () => (await prometheus.value('sum(up)')) === 2, WAIT);
  });
  afterAll(async () => {
    await prometheus.stop();
    await stack.stop();
  });

  const fires = async (name: string, labels: Record<string, string> = {}) =>
    (await prometheus.firing()).some((alert) =>
      Object.entries({ alertname: name, ...labels }).every(
        ([label, value]) => alert[label] === value,
      ),
    );

  it('fires an alert at the first scrape after an attack, and resolves the alert when the attack is over', async () => {
    await expect.poll(() => prometheus.firing(), WAIT).toEqual([]);
    const url = new URL('/api/internal/users/1', stack.backend.origin);
    const attack = () => fetch(url, { headers: { 'x-api-key': 'guess' } });
    await Promise.all(Array.from({ length: 30 }, attack));
    await expect.poll(() => stack.backend.output, WAIT).toContain('"rule":"repeated-failures"');
    const loggedAt = performance.now();
    const labels = { rule: 'repeated-failures' };
    await expect.poll(() => fires('LatchkeyAlert', labels), WAIT).toBe(true);
    expect(performance.now() - loggedAt).toBeLessThan(ONE_SCRAPE_MS);
    const refused = 'latchkey_auth_attempts_total{outcome="unknown"}';
    await expect.poll(() => prometheus.value(refused), WAIT).toBeGreaterThanOrEqual(30);
    await expect.poll(() => fires('LatchkeyAlert', labels), WAIT).toBe(false);
  });

  it('shows that the backend is down and that the MCP server opens a circuit breaker', async () => {
    await stack.backend.stop('SIGKILL');
    const user = await token('12345');
    const open = 'latchkey_mcp_backend_circuit_open{route="user"}';
    const call = async () => {
      await callTool(stack.mcp.url, user, 'get_profile');
      return prometheus.value(open);
    };
    await expect.poll(call, WAIT).toBe(1);
    await expect.poll(() => prometheus.value('up{job="latchkey-backend"}'), WAIT).toBe(0);
    const failed = 'sum(latchkey_mcp_tool_call_duration_seconds_count{outcome=~"backend-.*"})';
    await expect.poll(() => prometheus.value(failed), WAIT).toBeGreaterThan(0);
  });
});
