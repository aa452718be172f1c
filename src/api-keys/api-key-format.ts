import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { KEY_ENVIRONMENTS, type KeyEnvironment } from '../config/key-environment.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 30;
const CHECKSUM_CHARACTERS = 6;
// The largest multiple of 62 up to 256. Bytes from 248 to 255 are skipped: otherwise, `byte % 62`
// would favor 8 characters.
const UNBIASED_BYTES = 248;
const HINT_RANDOM_CHARACTERS = 4;

/** Matches issued keys: `lk_<environment>_`, 30 random base62 characters, 6-character checksum. */
export const API_KEY_PATTERN = /^lk_(live|test|dev)_[0-9A-Za-z]{36}$/;

/** Whether a presented key has the prefix of issued keys, even if the rest is malformed. */
export const claimsToBeIssued = (presented: string): boolean => presented.startsWith('lk_');

/** Creates the secret of a key, with 178 random bits and a checksum of the preceding characters. */
export function generateApiKey(environment: KeyEnvironment): string {
  const withoutChecksum = `lk_${environment}_${randomText(RANDOM_CHARACTERS)}`;
  return withoutChecksum + checksum(withoutChecksum);
}

/** Returns the environment of a well-formed key; undefined for any other text. */
export function parseApiKey(presented: string): KeyEnvironment | undefined {
  if (!API_KEY_PATTERN.test(presented)) return undefined;
  const withoutChecksum = presented.slice(0, -CHECKSUM_CHARACTERS);
  if (withoutChecksum + checksum(withoutChecksum) !== presented) return undefined;
  return KEY_ENVIRONMENTS.find((environment) => presented.startsWith(environment, 'lk_'.length));
}

/** Returns the prefix and the first 4 random characters of a key, by which people recognize it. */
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
