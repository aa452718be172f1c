import { describe, expect, it } from 'vitest';
import { CircuitOpenError } from './database-error.js';
import { DatabaseGate } from './database-gate.js';
import { describeStatement } from './gated-adapter.js';

const READ = { circuit: 'read users', isRepeatable: true };
const WRITE = { circuit: 'write users', isRepeatable: false };
const LOST = new Error('Connection terminated unexpectedly');
const TIMED_OUT = new Error('Query read timeout');

/** Fails with each of these in turn, and then succeeds; tells how often it was sent. */
function sender(...errors: Error[]) {
  const sent = { times: 0 };
  const send = async () => {
    const error = errors[sent.times++];
    if (error !== undefined) throw error;
    return 'rows';
  };
  return { sent, send };
}

async function failOften(gate: DatabaseGate, error: Error): Promise<void> {
  for (let failures = 0; failures < 5; failures++) {
    await expect(gate.pass(WRITE, sender(error).send)).rejects.toBe(error);
  }
}

describe('DatabaseGate', () => {
  it('sends a read again whose connection broke', async () => {
    const { sent, send } = sender(LOST);
    expect(await new DatabaseGate().pass(READ, send)).toBe('rows');
    expect(sent.times).toBe(2);
  });

  it('sends it once more, and not for ever', async () => {
    const { sent, send } = sender(LOST, LOST);
    await expect(new DatabaseGate().pass(READ, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(2);
  });

  it('never sends a write again', async () => {
    const { sent, send } = sender(LOST);
    await expect(new DatabaseGate().pass(WRITE, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(1);
  });

  it('does not send a read again that timed out', async () => {
    const { sent, send } = sender(TIMED_OUT);
    await expect(new DatabaseGate().pass(READ, send)).rejects.toBe(TIMED_OUT);
    expect(sent.times).toBe(1);
  });

  it('does not send a read again whose connection broke late', async () => {
    const sent = { times: 0 };
    const send = async () => {
      sent.times += 1;
      await new Promise((resolve) => setTimeout(resolve, 350));
      throw LOST;
    };
    await expect(new DatabaseGate().pass(READ, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(1);
  });

  it('sends nothing more after five time-outs', async () => {
    const gate = new DatabaseGate();
    await failOften(gate, TIMED_OUT);
    const { sent, send } = sender();
    await expect(gate.pass(WRITE, send)).rejects.toBeInstanceOf(CircuitOpenError);
    expect(sent.times).toBe(0);
  });

  it('goes on with other tables, and with reads', async () => {
    const gate = new DatabaseGate();
    await failOften(gate, TIMED_OUT);
    expect(await gate.pass(READ, sender().send)).toBe('rows');
    expect(await gate.pass({ ...WRITE, circuit: 'write accounts' }, sender().send)).toBe('rows');
  });

  it.each([
    ['the caller’s mistakes', new Error('duplicate key value')],
    ['a standby', Object.assign(new Error('read-only'), { code: '25006' })],
  ])('does not count %s', async (_case, error) => {
    const gate = new DatabaseGate();
    await failOften(gate, error);
    expect(await gate.pass(WRITE, sender().send)).toBe('rows');
  });
});

describe('describeStatement', () => {
  it.each([
    ['SELECT "public"."users"."id" FROM "public"."users" WHERE 1=1', 'read users', true],
    ['\n select * from accounts', 'read accounts', true],
    ['SELECT 1', 'read ', true],
    ['INSERT INTO "public"."users" ("id") VALUES ($1) RETURNING "id"', 'write users', false],
    ['UPDATE "public"."users" SET "name" = $1', 'write users', false],
    ['DELETE FROM "public"."users" WHERE 1=1', 'write users', false],
    ['WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone', 'write users', false],
  ])('knows %s', (sql, circuit, isRepeatable) => {
    expect(describeStatement({ sql })).toEqual({ circuit, isRepeatable });
  });
});
