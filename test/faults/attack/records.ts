import { Client } from 'pg';
import { z } from 'zod';
import type { Attempt } from './attack.js';

const NO_KEY = 'none';

const lineSchema = z.object({
  msg: z.literal('request'),
  requestId: z.string(),
  keyId: z.string().nullable(),
  outcome: z.string(),
});

/** Numbers of requests. The map's keys are `<key id> <outcome>`, or outcomes alone. */
export type Counts = ReadonlyMap<string, number>;

/** The numbers of differences between the attempts and their lines in a log. */
export interface LogFaults {
  readonly missing: number;
  readonly double: number;
  /** Lines whose key or outcome differs from the attempt. */
  readonly wrong: number;
}

/** Compares the attempts with a log of JSON lines. */
export function compareWithLog(attempts: readonly Attempt[], log: string): LogFaults {
  const lines = new Map<string, z.infer<typeof lineSchema>[]>();
  for (const text of log.split('\n')) {
    if (!text.includes('"outcome"')) continue;
    const { data } = lineSchema.safeParse(JSON.parse(text));
    if (data !== undefined) {
      lines.set(data.requestId, [...(lines.get(data.requestId) ?? []), data]);
    }
  }
  let [missing, double, wrong] = [0, 0, 0];
  for (const { requestId, keyId, outcome } of attempts) {
    const [line, ...others] = lines.get(requestId) ?? [];
    if (line === undefined) missing += 1;
    else if (line.keyId !== keyId || line.outcome !== outcome) wrong += 1;
    double += others.length;
  }
  return { missing, double, wrong };
}

export function countAttempts(attempts: readonly Attempt[]): Counts {
  const counts = new Map<string, number>();
  for (const { keyId, outcome } of attempts) {
    const name = `${keyId ?? NO_KEY} ${outcome}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

export function countOutcomes(attempts: readonly Attempt[]): Counts {
  const counts = new Map<string, number>();
  for (const { outcome } of attempts) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return counts;
}

/** The current numbers of attempts by outcome, from the metrics of a backend. */
export async function readMetrics(url: string): Promise<Counts> {
  const text = await (await fetch(url)).text();
  const samples = text.matchAll(/^latchkey_auth_attempts_total\{outcome="([\w-]+)"\} (\d+)$/gm);
  return new Map([...samples].map(([, outcome = '', count]) => [outcome, Number(count)]));
}

/** The current numbers of requests by key and outcome, from the usage table. */
export async function readUsage(
  databaseUrl: string,
  keyIds: readonly (string | null)[],
): Promise<Counts> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; requests: string }>(
      `SELECT key_id || ' ' || outcome AS name, sum(requests) AS requests
       FROM api_key_usage WHERE key_id = ANY($1) GROUP BY 1`,
      [keyIds.map((keyId) => keyId ?? NO_KEY)],
    );
    return new Map(rows.map(({ name, requests }) => [name, Number(requests)]));
  } finally {
    await client.end();
  }
}

/** Compares the increase of counts with the expected counts. */
export function compareCounts(expected: Counts, before: Counts, after: Counts) {
  let [missing, double] = [0, 0];
  for (const name of new Set([...expected.keys(), ...after.keys()])) {
    const counted = (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const difference = counted - (expected.get(name) ?? 0);
    missing += Math.max(-difference, 0);
    double += Math.max(difference, 0);
  }
  return { missing, double };
}
