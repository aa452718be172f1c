import { addGauge } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { Registry } from 'prom-client';
import { KeySync } from '../api-keys/key-sync/key-sync.js';
import { IssuedKeyCache } from '../api-keys/issued-key-cache.js';

const LAG = {
  name: 'latchkey_key_feed_lag_seconds',
  help: 'Time since the keys in memory were last known to be those of the database.',
};
const FRESH = {
  name: 'latchkey_key_feed_fresh',
  help: 'Whether issued keys are admitted: 0 while the feed has been silent for too long.',
};
const KEYS = {
  name: 'latchkey_issued_keys',
  help: 'Issued keys in memory, those that have ended too.',
};

/** Tells how far the keys in memory are behind the database, and how many they are. */
@Injectable()
export class KeyMetrics {
  constructor(keySync: KeySync, cache: IssuedKeyCache, registry: Registry) {
    addGauge(registry, LAG, () => keySync.lagMs / 1000);
    addGauge(registry, FRESH, () => Number(keySync.isFresh()));
    addGauge(registry, KEYS, () => cache.fingerprint.count);
  }
}
