import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { KEY_ENVIRONMENTS, type KeyEnvironment } from '../config/key-environment.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 30;
const CHECKSUM_CHARACTERS = 6;
// The largest multiple of 62 that fits in a byte: bytes beyond would make the first letters more likely.
const UNBIASED_BYTES = 248;
const HINT_RANDOM_CHARACTERS = 4;

/** `lk_<environment>_`, 30 random base62 characters, 6 base62 characters of checksum; for secret scanners too. */
export const API_KEY_PATTERN = /^lk_(live|test|dev)_[0-9A-Za-z]{36}$/;

/** Whether a presented key claims to be an issued one, well-formed or not. */
export const claimsToBeIssued = (presented: string): boolean => presented.startsWith('lk_');

/** Generates the secret of a key: 178 bits from the system's generator, and a checksum of the text before it. */
export function generateApiKey(environment: KeyEnvironment): string {
  const unchecked = `lk_${environment}_${randomText(RANDOM_CHARACTERS)}`;
  return unchecked + checksum(unchecked);
}

/** The environment of a well-formed key; undefined if it was mistyped, cut off or made up. */
export function parseApiKey(presented: string): KeyEnvironment | undefined {
  if (!API_KEY_PATTERN.test(presented)) return undefined;
  const unchecked = presented.slice(0, -CHECKSUM_CHARACTERS);
  if (crc32(unchecked) !== parseChecksum(presented, unchecked.length)) return undefined;
  return KEY_ENVIRONMENTS.find((environment) => presented.startsWith(environment, 'lk_'.length));
}

/** The visible prefix of a key, which tells it from others: the first 4 of its 30 random characters. */
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

/** The number that `checksum` has written from a position on. */
function parseChecksum(text: string, from: number): number {
  let value = 0;
  for (let position = from; position < text.length; position++) {
    value = value * 62 + ALPHABET.indexOf(text.charAt(position));
  }
  return value;
}
