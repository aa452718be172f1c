import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { RootKey } from '../../config/root-key.js';
import { RootKeyStore } from '../root-key-store.js';

const PURPOSE = 'latchkey: messages between processes, version 1';
const KEY_BYTES = 32;
// Limits the length of a signature: the payload of a notification must be under 8000 bytes.
const MAX_CODES = 16;
const SEPARATOR = ',';

/**
 * Authenticates messages that pass through the database, which never sees the root keys. A
 * signature has one code per root key: an HMAC-SHA256 with a key derived from the root key (RFC
 * 5869). So instances that share at least one root key can verify each other's signatures, even
 * while the root key is being replaced.
 */
@Injectable()
export class MessageAuthenticator {
  private readonly derived = new WeakMap<RootKey, Uint8Array>();

  constructor(private readonly rootKeys: RootKeyStore) {}

  /** Returns the codes of a message, separated by commas, without spaces. */
  sign(message: string): string {
    const codes = this.rootKeys.all.slice(0, MAX_CODES).map((key) => this.code(key, message));
    return codes.map((code) => code.toString('base64url')).join(SEPARATOR);
  }

  /** Whether the message was signed by a process that shares a root key with this process. */
  isAuthentic(message: string, signature: string): boolean {
    const codes = signature.split(SEPARATOR, MAX_CODES);
    const given = codes.map((code) => Buffer.from(code, 'base64url'));
    return this.rootKeys.all.some((key) => {
      const expected = this.code(key, message);
      return given.some(
        (code) => code.length === expected.length && timingSafeEqual(code, expected),
      );
    });
  }

  private code(key: RootKey, message: string): Buffer {
    const known = this.derived.get(key) ?? deriveKey(key);
    this.derived.set(key, known);
    return createHmac('sha256', known).update(message).digest();
  }
}

function deriveKey({ digest }: RootKey): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', digest, '', PURPOSE, KEY_BYTES));
}
