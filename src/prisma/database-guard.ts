import { type SpanDescription, inSpan } from '@latchkey/tracing/spans';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CircuitBreaker } from './circuit-breaker.js';
import {
  CircuitOpenError,
  hasLostConnection,
  isDatabaseUnavailable,
  isReadOnly,
} from './database-error.js';

// A broken connection means that others of the pool are broken, too. The pool must notice that first.
const DELAY_TO_REPEAT_MS = 20;
// Beyond it, a second try would make the caller wait too long.
const MAX_AGE_TO_REPEAT_MS = 300;
const POSTGRESQL = { 'db.system.name': 'postgresql' };

export interface Statement {
  /** The unit of failure: the table and the direction. */
  readonly circuit: string;
  /** Whether it may be sent again although it may have been carried out already: a read. */
  readonly isRepeatable: boolean;
}

/**
 * Runs every statement outside a transaction. A read whose connection broke is sent once more; and where statements
 * keep failing or timing out, the next ones fail at once.
 */
@Injectable()
export class DatabaseGuard {
  private readonly circuits = new Map<string, CircuitBreaker>();

  /** @throws CircuitOpenError, or what `send` throws. */
  async run<Result>(statement: Statement, send: () => Promise<Result>): Promise<Result> {
    const circuit = this.circuit(statement.circuit);
    if (!circuit.allows()) throw new CircuitOpenError();
    try {
      const result = await inSpan(describeSpan(statement), () =>
        this.sendRepeatedly(statement, send),
      );
      circuit.succeed();
      return result;
    } catch (error) {
      // A standby refuses writes at once, and may be promoted at any time.
      if (isDatabaseUnavailable(error) && !isReadOnly(error)) circuit.fail();
      else circuit.succeed();
      throw error;
    }
  }

  private async sendRepeatedly<Result>(
    { isRepeatable }: Statement,
    send: () => Promise<Result>,
  ): Promise<Result> {
    const startedAt = performance.now();
    try {
      return await send();
    } catch (error) {
      const isLate = performance.now() - startedAt > MAX_AGE_TO_REPEAT_MS;
      if (!isRepeatable || isLate || !hasLostConnection(error)) throw error;
      await sleep(DELAY_TO_REPEAT_MS);
      return send();
    }
  }

  private circuit(name: string): CircuitBreaker {
    const known = this.circuits.get(name);
    if (known !== undefined) return known;
    const circuit = new CircuitBreaker();
    this.circuits.set(name, circuit);
    return circuit;
  }
}

// Neither the statement nor its values: they are about users.
function describeSpan({ circuit }: Statement): SpanDescription {
  return { name: `database ${circuit}`, kind: 'client', attributes: POSTGRESQL };
}
