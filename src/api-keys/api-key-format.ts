import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { KEY_ENVIRONMENTS, type KeyEnvironment } from '../config/key-environment.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 30;
const CHECKSUM_CHARACTERS = 6;
// The largest multiple of 62 in a byte. Larger bytes would bias the first letters.
const UNBIASED_BYTES = 248;
const HINT_RANDOM_CHARACTERS = 4;

/** `lk_<environment>_`, 30 random base62 characters, 6 of checksum. Secret scanners match it. */
export const API_KEY_PATTERN = /^lk_(live|test|dev)_[0-9A-Za-z]{36}$/;

/** Whether a presented key looks like an issued one, well-formed or not. */
export const claimsToBeIssued = (presented: string): boolean => presented.startsWith('lk_');

/** Creates the secret of a key: 178 random bits and a checksum of all that precedes it. */
export function generateApiKey(environment: KeyEnvironment): string {
  const unchecked = `lk_${environment}_${randomText(RANDOM_CHARACTERS)}`;
  return unchecked + checksum(unchecked);
}

/** Returns the environment of a well-formed key; undefined for any other text. */
export function parseApiKey(presented: string): KeyEnvironment | undefined {
  if (!API_KEY_PATTERN.test(presented)) return undefined;
  const unchecked = presented.slice(0, -CHECKSUM_CHARACTERS);
  if (unchecked + checksum(unchecked) !== presented) return undefined;
  return KEY_ENVIRONMENTS.find((environment) => presented.startsWith(environment, 'lk_'.length));
}

/** The public prefix of a key: the first 4 of its 30 random characters identify it to people. */
export function hintOf(apiKey: string): string {
  return `${apiKey.slice(0, apiKey.lastIndexOf('_') + 1 + HINT_RANDOM_CHARACTERS)}…`;
}

function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < UNBIASED_BYTES && text.length < length) text += ALPHABET.charAt(byte % 62);
    }
  }
  return text;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let position = 0; position < CHECKSUM_CHARACTERS; position++) {
    digits = ALPHABET.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
