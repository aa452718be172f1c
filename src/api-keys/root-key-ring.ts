import { timingSafeEqual } from 'node:crypto';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { type RootKeyFile, watchRootKeyFile } from './root-key-file.js';
import { type RootKey, digestKey } from './root-key.js';

/**
 * The root keys that are good at this moment: `INTERNAL_API_KEY` and its predecessor, or the lines of
 * `INTERNAL_API_KEY_FILE`, which is read again whenever it changes.
 */
@Injectable()
export class RootKeyRing implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(RootKeyRing.name);
  private keys: readonly RootKey[];
  private stopWatching: (() => void) | undefined;

  constructor(private readonly config: ConfigService<Environment, true>) {
    this.keys = [
      config.get('INTERNAL_API_KEY', { infer: true }),
      config.get('INTERNAL_API_KEY_PREVIOUS', { infer: true }),
    ].filter((key) => key !== undefined);
  }

  onModuleInit(): void {
    this.warnOfWeakKeys();
    const path = this.config.get('INTERNAL_API_KEY_FILE', { infer: true });
    if (path === undefined) return;
    const refuseWeak = this.config.get('NODE_ENV', { infer: true }) === 'production';
    this.stopWatching = watchRootKeyFile(path, { refuseWeak }, (file) => this.replaceKeys(file));
  }

  onModuleDestroy(): void {
    this.stopWatching?.();
  }

  /**
   * Finds the root key that was presented. Costs one digest and one constant-time comparison for each root key,
   * whatever the outcome.
   */
  match(presented: string): RootKey | undefined {
    const digest = digestKey(presented);
    let match: RootKey | undefined;
    for (const key of this.keys) {
      if (timingSafeEqual(digest, key.digest)) match = key;
    }
    return match;
  }

  private replaceKeys({ keys, problem }: RootKeyFile): void {
    if (keys === undefined) {
      // The last good keys stay, so that a file caught half-written locks nobody out.
      this.logger.error(`INTERNAL_API_KEY_FILE ${problem}; the keys read before stay in force`);
      return;
    }
    this.keys = keys;
    this.warnOfWeakKeys();
    this.logger.log(`Root keys in force: ${keys.map((key) => key.id).join(', ')}`);
  }

  private warnOfWeakKeys(): void {
    for (const { id, weakness } of this.keys) {
      if (weakness !== undefined)
        this.logger.warn(`Root key ${id} is ${weakness}: refused in production`);
    }
  }
}
