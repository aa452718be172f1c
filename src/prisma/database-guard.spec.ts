import { describe, expect, it } from 'vitest';
import { CircuitOpenError } from './database-error.js';
import { DatabaseGuard } from './database-guard.js';
import { describeStatement } from './guarded-adapter.js';

const READ = { circuit: 'read users', isRepeatable: true };
const WRITE = { circuit: 'write users', isRepeatable: false };
const LOST = new Error('Connection terminated unexpectedly');
const TIMED_OUT = new Error('Query read timeout');

/** Creates a statement that fails with each error in turn, then succeeds. `sent` counts calls. */
function sender(...errors: Error[]) {
  const sent = { times: 0 };
  const send = async () => {
    const error = errors[sent.times++];
    if (error !== undefined) throw error;
    return 'rows';
  };
  return { sent, send };
}

async function failOften(guard: DatabaseGuard, error: Error): Promise<void> {
  for (let failures = 0; failures < 5; failures++) {
    await expect(guard.run(WRITE, sender(error).send)).rejects.toBe(error);
  }
}

describe('DatabaseGuard', () => {
  it('repeats a read whose connection broke', async () => {
    const { sent, send } = sender(LOST);
    expect(await new DatabaseGuard().run(READ, send)).toBe('rows');
    expect(sent.times).toBe(2);
  });

  it('repeats a read only once', async () => {
    const { sent, send } = sender(LOST, LOST);
    await expect(new DatabaseGuard().run(READ, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(2);
  });

  it('never repeats a write', async () => {
    const { sent, send } = sender(LOST);
    await expect(new DatabaseGuard().run(WRITE, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(1);
  });

  it('does not repeat a read that timed out', async () => {
    const { sent, send } = sender(TIMED_OUT);
    await expect(new DatabaseGuard().run(READ, send)).rejects.toBe(TIMED_OUT);
    expect(sent.times).toBe(1);
  });

  it('does not repeat a read whose connection broke after more than 300 ms', async () => {
    const sent = { times: 0 };
    const send = async () => {
      sent.times += 1;
      await new Promise((resolve) => setTimeout(resolve, 350));
      throw LOST;
    };
    await expect(new DatabaseGuard().run(READ, send)).rejects.toBe(LOST);
    expect(sent.times).toBe(1);
  });

  it('after five time-outs, refuses a write without sending it', async () => {
    const guard = new DatabaseGuard();
    await failOften(guard, TIMED_OUT);
    const { sent, send } = sender();
    await expect(guard.run(WRITE, send)).rejects.toBeInstanceOf(CircuitOpenError);
    expect(sent.times).toBe(0);
  });

  it('after five writes to a table have timed out, still allows reads of it and writes to other tables', async () => {
    const guard = new DatabaseGuard();
    await failOften(guard, TIMED_OUT);
    expect(await guard.run(READ, sender().send)).toBe('rows');
    expect(await guard.run({ ...WRITE, circuit: 'write accounts' }, sender().send)).toBe('rows');
  });

  it.each([
    ['violated constraints', new Error('duplicate key value')],
    ['writes to a standby', Object.assign(new Error('read-only'), { code: '25006' })],
  ])('does not count %s as failures of the database', async (_case, error) => {
    const guard = new DatabaseGuard();
    await failOften(guard, error);
    expect(await guard.run(WRITE, sender().send)).toBe('rows');
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
  ])('derives the circuit of %s', (sql, circuit, isRepeatable) => {
    expect(describeStatement({ sql })).toEqual({ circuit, isRepeatable });
  });
});
