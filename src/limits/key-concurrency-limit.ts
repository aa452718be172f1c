import type { ServerResponse } from 'node:http';
import { onResponseEnd } from '@latchkey/http-front/response-end';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Principal } from '../api-keys/principal.js';
import type { Environment } from '../config/environment.js';
import { ProblemException } from '../problems/problem.js';

/** Limits the in-flight requests of a key in this process. Root keys are exempt. */
@Injectable()
export class KeyConcurrencyLimit {
  private readonly isOn: boolean;
  private readonly quota: number;
  private readonly inFlight = new Map<string, number>();

  constructor(config: ConfigService<Environment, true>) {
    this.isOn = config.get('LIMITS', { infer: true }) === 'on';
    this.quota = config.get('KEY_CONCURRENCY_LIMIT', { infer: true });
  }

  /** Counts a request until its response ends. @throws ProblemException `CONCURRENCY_LIMITED` */
  enter({ budgets: [own] }: Principal, response: ServerResponse): void {
    if (!this.isOn || own === undefined) return;
    const { keyId } = own;
    const inFlight = this.inFlight.get(keyId) ?? 0;
    if (inFlight >= this.quota) throw new ProblemException('CONCURRENCY_LIMITED');
    // If the client has already disconnected, `onResponseEnd` would never call `leave`.
    if (response.req.socket.destroyed) return;
    this.inFlight.set(keyId, inFlight + 1);
    onResponseEnd(response, () => this.leave(keyId));
  }

  private leave(keyId: string): void {
    const inFlight = (this.inFlight.get(keyId) ?? 0) - 1;
    if (inFlight <= 0) this.inFlight.delete(keyId);
    else this.inFlight.set(keyId, inFlight);
  }
}
