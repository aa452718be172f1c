const MINIMUM_LENGTH = 32;
// Random hex of 32 characters has fewer than 8 distinct ones once in 10^7 keys; typed patterns nearly always do.
const MINIMUM_DISTINCT_CHARACTERS = 8;
const LONGEST_REPEATED_UNIT = 16;

// Words of documentation, examples and keyboards: a key that has one was not drawn at random.
const PLACEHOLDER =
  /change|secret|example|placeholder|password|test-|your-|a1b2c3d4|01234567|abcdefgh|qwerty/i;

/**
 * Says why a plaintext key can be guessed, or `undefined` if nothing speaks against it.
 * The answer never contains the key.
 */
export function findKeyWeakness(key: string): string | undefined {
  if (key.length < MINIMUM_LENGTH) return `shorter than ${MINIMUM_LENGTH} characters`;
  if (PLACEHOLDER.test(key)) return 'a placeholder, not a random key';
  if (new Set(key).size < MINIMUM_DISTINCT_CHARACTERS) return 'of too few different characters';
  if (repeatsUnit(key)) return 'a short pattern, repeated';
  return undefined;
}

function repeatsUnit(key: string): boolean {
  for (let unit = 1; unit <= LONGEST_REPEATED_UNIT; unit++) {
    if (key.slice(unit) === key.slice(0, -unit)) return true;
  }
  return false;
}
