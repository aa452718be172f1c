import { inSpan } from '@latchkey/tracing/spans';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CircuitBreaker } from './circuit-breaker.js';
import {
  CircuitOpenError,
  hasLostConnection,
  isDatabaseUnavailable,
  isReadOnly,
} from './database-error.js';

// An event that breaks one connection often breaks all. The delay gives the pool time to discard
// them.
const RETRY_DELAY_MS = 20;
// If a statement fails after more than this time, a retry would exceed the caller's time-out.
const MAX_AGE_TO_RETRY_MS = 300;
const POSTGRESQL = { 'db.system.name': 'postgresql' };

export interface Statement {
  /** Name of the circuit breaker: `read` or `write`, and the table. */
  readonly circuit: string;
  /** Whether the statement may be sent twice, because it only reads. */
  readonly isRepeatable: boolean;
}

/**
 * Runs each statement that is not part of a multi-statement transaction. Retries a read once if its
 * connection broke. While the statements of a circuit fail, refuses further statements of this
 * circuit (circuit breaker).
 */
@Injectable()
export class DatabaseGuard {
  private readonly circuits = new Map<string, CircuitBreaker>();

  /** @throws CircuitOpenError if the statement was not sent; otherwise the error of `send` */
  async run<Result>(
    { circuit: name, isRepeatable }: Statement,
    send: () => Promise<Result>,
  ): Promise<Result> {
    const circuit = this.circuit(name);
    if (!circuit.allows()) throw new CircuitOpenError();
    try {
      // The span must not contain the statement or its values, which are personal data.
      const span = { name: `database ${name}`, kind: 'client', attributes: POSTGRESQL } as const;
      const result = await inSpan(span, () => this.sendWithRetry(isRepeatable, send));
      circuit.succeed();
      return result;
    } catch (error) {
      // Read-only errors do not open the circuit: a standby refuses writes quickly, and must
      // receive writes as soon as it is promoted.
      if (isDatabaseUnavailable(error) && !isReadOnly(error)) circuit.fail();
      else circuit.succeed();
      throw error;
    }
  }

  private async sendWithRetry<Result>(
    isRepeatable: boolean,
    send: () => Promise<Result>,
  ): Promise<Result> {
    const startedAt = performance.now();
    try {
      return await send();
    } catch (error) {
      const isLate = performance.now() - startedAt > MAX_AGE_TO_RETRY_MS;
      if (!isRepeatable || isLate || !hasLostConnection(error)) throw error;
      await sleep(RETRY_DELAY_MS);
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
