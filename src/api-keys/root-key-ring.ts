import { timingSafeEqual } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';
import { type RootKey, digestKey, parseRootKey } from './root-key.js';
import { readRootKeyFile } from './root-key-file.js';

const FILE_POLL_INTERVAL_MS = 500;

/**
 * The root keys that are good at this moment: `INTERNAL_API_KEY` and its predecessor, or the lines of
 * `INTERNAL_API_KEY_FILE`, which is read again whenever it changes.
 */
@Injectable()
export class RootKeyRing implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(RootKeyRing.name);
  private readonly file: string | undefined;
  private readonly refuseWeak: boolean;
  private keys: readonly RootKey[];

  constructor(config: ConfigService<Environment, true>) {
    this.file = config.get('INTERNAL_API_KEY_FILE', { infer: true });
    this.refuseWeak = config.get('NODE_ENV', { infer: true }) === 'production';
    const current = config.get('INTERNAL_API_KEY', { infer: true });
    const previous = config.get('INTERNAL_API_KEY_PREVIOUS', { infer: true });
    this.keys = [
      ...[current, previous].filter((key) => key !== undefined).map(parseRootKey),
      ...(this.file === undefined ? [] : readRootKeyFile(this.file)),
    ];
  }

  onModuleInit(): void {
    this.warnOfWeakKeys(this.keys);
    if (this.file === undefined) return;
    // Polls the path's stat, since a watch would stay on the old target when Kubernetes swaps the symlink.
    watchFile(this.file, { interval: FILE_POLL_INTERVAL_MS, persistent: false }, this.reload);
  }

  onModuleDestroy(): void {
    if (this.file !== undefined) unwatchFile(this.file, this.reload);
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

  private readonly reload = (): void => {
    if (this.file === undefined) return;
    try {
      const keys = readRootKeyFile(this.file);
      const weak = this.refuseWeak && keys.find((key) => key.weakness !== undefined);
      if (weak) throw new Error(`has a key that is ${weak.weakness}`);
      this.warnOfWeakKeys(keys);
      this.keys = keys;
      this.logger.log(
        `INTERNAL_API_KEY_FILE was read again: ${keys.map((key) => key.id).join(', ')}`,
      );
    } catch (error) {
      // The last good keys stay, so that a file caught half-written locks nobody out.
      const reason = error instanceof Error ? error.message : 'cannot be read';
      this.logger.error(`INTERNAL_API_KEY_FILE ${reason}; the keys read before stay in force`);
    }
  };

  private warnOfWeakKeys(keys: readonly RootKey[]): void {
    for (const key of keys) {
      if (key.weakness === undefined) continue;
      this.logger.warn(`Root key ${key.id} is ${key.weakness}: refused in production`);
    }
  }
}
