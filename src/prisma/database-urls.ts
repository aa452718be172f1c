import { readFileSync } from 'node:fs';
import { Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { type Environment, postgresUrl } from '../config/environment.js';

/** `DATABASE_URL` may lead to a transaction pooler; `DIRECT_URL` must not. */
export type UrlVariable = 'DATABASE_URL' | 'DIRECT_URL';

/** Provides the URLs for new connections, and logs why connections fail. */
@Injectable()
export class DatabaseUrls {
  private readonly logger = new Logger(DatabaseUrls.name);
  private readonly latest = new Map<UrlVariable, string>();
  private readonly failures = new Map<UrlVariable, string>();

  constructor(private readonly config: ConfigService<Environment, true>) {}

  /** The variable with the URL for connections that need a session of their own. */
  get direct(): UrlVariable {
    const hasDirectUrl = this.config.get('DIRECT_URL', { infer: true }) !== undefined;
    return hasDirectUrl ? 'DIRECT_URL' : 'DATABASE_URL';
  }

  /** Returns the URL. Reads its file (if any) each time, because the password may be rotated. */
  read(variable: UrlVariable): string {
    const known = this.latest.get(variable) ?? this.config.getOrThrow(variable, { infer: true });
    const file = this.config.get(`${variable}_FILE`, { infer: true });
    // A file without a valid URL may be half-written, so the previous URL stays in use.
    const url = file === undefined ? known : (readUrl(file) ?? known);
    this.latest.set(variable, url);
    return url;
  }

  /** Logs the cause of a failure, unless the previous attempt failed for the same cause. */
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
