import { readFileSync } from 'node:fs';
import { Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { type Environment, postgresUrl } from '../config/environment.js';

/** `DATABASE_URL` may lead to a transaction pooler; `DIRECT_URL` must not. */
export type UrlVariable = 'DATABASE_URL' | 'DIRECT_URL';

/** The URLs of new connections, and the log of connection failures. */
@Injectable()
export class DatabaseUrls {
  private readonly logger = new Logger(DatabaseUrls.name);
  private readonly latest = new Map<UrlVariable, string>();
  private readonly failures = new Map<UrlVariable, string>();

  constructor(private readonly config: ConfigService<Environment, true>) {}

  /** The variable for connections with a session of their own. */
  get direct(): UrlVariable {
    const hasDirectUrl = this.config.get('DIRECT_URL', { infer: true }) !== undefined;
    return hasDirectUrl ? 'DIRECT_URL' : 'DATABASE_URL';
  }

  /** Returns the URL. A file is read again, because its password may have been rotated. */
  read(variable: UrlVariable): string {
    const known = this.latest.get(variable) ?? this.config.getOrThrow(variable, { infer: true });
    const file = this.config.get(`${variable}_FILE`, { infer: true });
    // The previous URL stays, so that a half-written file does no harm.
    const url = file === undefined ? known : (readUrl(file) ?? known);
    this.latest.set(variable, url);
    return url;
  }

  /** Logs the cause of connection failures once, until it changes or a connection succeeds. */
  report(variable: UrlVariable, failure?: string): void {
    if (failure === undefined) this.failures.delete(variable);
    else if (this.failures.get(variable) !== failure) {
      this.failures.set(variable, failure);
      this.logger.error(failure);
    }
  }
}

function readUrl(file: string): string | undefined {
  try {
    return postgresUrl.safeParse(readFileSync(file, 'utf8').trim()).data;
  } catch {
    return undefined;
  }
}
