import { timingSafeEqual } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import type { Principal } from './principal.js';
import { type RootKey, type RootKeyFile, watchRootKeyFile } from '../config/root-key.js';
import { SCOPES } from './scopes.js';

export interface ActiveRootKey extends RootKey {
  readonly principal: Principal;
}

/**
 * The valid root keys: `INTERNAL_API_KEY` and `INTERNAL_API_KEY_PREVIOUS`, or the lines of
 * `INTERNAL_API_KEY_FILE`, which is read again whenever it changes.
 */
@Injectable()
export class RootKeyStore implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RootKeyStore.name);
  private keys: readonly ActiveRootKey[] = [];
  private stopWatching: (() => void) | undefined;

  constructor(private readonly config: ConfigService<Environment, true>) {
    this.keys = this.withPrincipals(
      [
        config.get('INTERNAL_API_KEY', { infer: true }),
        config.get('INTERNAL_API_KEY_PREVIOUS', { infer: true }),
      ].filter((key) => key !== undefined),
    );
  }

  /** All root keys, the current one first. */
  get all(): readonly ActiveRootKey[] {
    return this.keys;
  }

  onModuleInit(): void {
    this.warnOfWeakKeys();
    const path = this.config.get('INTERNAL_API_KEY_FILE', { infer: true });
    if (path === undefined) return;
    const refuseWeak = this.config.get('NODE_ENV', { infer: true }) === 'production';
    this.stopWatching = watchRootKeyFile(path, { refuseWeak }, (file) => this.replaceKeys(file));
  }

  // Stops in the last shutdown hook: until then, the server must notice that a key was removed from
  // the file, and refuse this key.
  onApplicationShutdown(): void {
    this.stopWatching?.();
  }

  /** Finds the root key that has `digest`. The search takes the same time whichever key matches. */
  match(digest: string): ActiveRootKey | undefined {
    const presented = Buffer.from(digest, 'binary');
    let match: ActiveRootKey | undefined;
    for (const key of this.keys) {
      if (timingSafeEqual(presented, key.digest)) match ??= key;
    }
    return match;
  }

  private replaceKeys({ keys, problem }: RootKeyFile): void {
    if (keys === undefined) {
      // The previous keys stay, so that a half-written file locks nobody out.
      this.logger.error(`INTERNAL_API_KEY_FILE ${problem}; the loaded keys stay in force`);
      return;
    }
    this.keys = this.withPrincipals(keys);
    this.warnOfWeakKeys();
    this.logger.log(`Root keys in force: ${keys.map((key) => key.id).join(', ')}`);
  }

  /** The first key is current. The others are for callers that have not switched to it yet. */
  private withPrincipals(keys: readonly RootKey[]): ActiveRootKey[] {
    return keys.map((key, index) => ({
      ...key,
      principal: {
        keyId: key.id,
        isRoot: true,
        scopes: SCOPES,
        readFields: undefined,
        writeFields: undefined,
        budgets: [],
        deprecatedSince: index === 0 ? undefined : this.deprecatedSince(key),
      },
    }));
  }

  private deprecatedSince({ id }: RootKey): number {
    const known = this.keys.find((key) => key.id === id);
    return known?.principal.deprecatedSince ?? Date.now();
  }

  private warnOfWeakKeys(): void {
    for (const { id, weakness } of this.keys) {
      if (weakness !== undefined)
        this.logger.warn(`Root key ${id} is ${weakness}: accepted here, but not in production`);
    }
  }
}
