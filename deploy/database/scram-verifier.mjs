import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const ITERATIONS = 4096;

/**
 * The verifier that PostgreSQL stores for a password (RFC 5802). Made here, the password itself is
 * in no statement, and so in no log.
 * @param {string} password
 * @param {Buffer} salt
 */
export function scramVerifier(password, salt = randomBytes(16)) {
  // Beyond ASCII the password would have to be normalised first, as every client does.
  if (!/^[\x21-\x7e]{16,}$/.test(password)) {
    throw new Error('The password must be 16 characters or more of printable ASCII.');
  }
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  const keys = [storedKey, hmac(salted, 'Server Key')].map((key) => key.toString('base64'));
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${keys.join(':')}`;
}

/** @param {Buffer} key @param {string} text */
function hmac(key, text) {
  return createHmac('sha256', key).update(text).digest();
}
