import { FailedAuthLimit } from '@latchkey/limits/failed-auth-limit';
import { clientNetwork } from '@latchkey/limits/client-network';
import { Inject, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Logger } from 'pino';
import type { Environment } from '../config/environment.js';
import { PROCESS_LOGGER } from '../process-logger.js';

/** Faults of wrong tokens. The verifier's fault `keys-unavailable` says nothing about the token. */
export const TOKEN_FAULTS = ['malformed', 'expired', 'signature', 'claims'] as const;
export type TokenFault = (typeof TOKEN_FAULTS)[number];

interface TokenFailure {
  readonly fault: TokenFault;
  /** The client's IP address. */
  readonly address: string;
  readonly requestId: string;
}

/** Logs and counts wrong access tokens, and limits them by client network. */
@Injectable()
export class TokenFailures {
  private readonly perMinute: number;
  private readonly limit: FailedAuthLimit;
  /** Set by the metrics module. The callback must not block or throw. */
  onFailure: (fault: TokenFault) => void = () => {};

  constructor(
    config: ConfigService<Environment, true>,
    @Inject(PROCESS_LOGGER) private readonly logger: Logger,
  ) {
    this.perMinute = config.get('MCP_TOKEN_FAILURE_LIMIT', { infer: true });
    this.limit = new FailedAuthLimit(this.perMinute);
  }

  /** @returns the seconds until the client may try again; undefined below the limit */
  record({ fault, address, requestId }: TokenFailure): number | undefined {
    this.onFailure(fault);
    const refusal = this.limit.count(address);
    const event = refusal === undefined ? 'authn_login_fail' : 'authn_login_fail_max';
    this.logger.info({ event, fault, source: address, requestId }, 'access token refused');
    if (refusal?.beginsIncident === true) {
      const fields = { event, network: clientNetwork(address), perMinute: this.perMinute };
      this.logger.warn(fields, 'too many refused access tokens from a network');
    }
    return refusal && Math.ceil(refusal.retryAfterMs / 1000);
  }
}
