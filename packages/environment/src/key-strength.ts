const MINIMUM_LENGTH = 32;
// Only 1 in 10^7 random hex keys of 32 characters has fewer than 8 distinct characters.
const MINIMUM_DISTINCT_CHARACTERS = 8;
const LONGEST_REPEATED_UNIT = 16;

// Words from documentation and keyboards, which a random key does not contain.
const PLACEHOLDER =
  /change|secret|example|placeholder|password|test-|your-|a1b2c3d4|01234567|abcdefgh|qwerty/i;

/** Returns why a plaintext key is easy to guess, without quoting it; undefined if it is strong. */
export function findKeyWeakness(key: string): string | undefined {
  if (key.length < MINIMUM_LENGTH) return `shorter than ${MINIMUM_LENGTH} characters`;
  if (PLACEHOLDER.test(key)) return 'a placeholder, not a random key';
  if (new Set(key).size < MINIMUM_DISTINCT_CHARACTERS)
    return 'made of too few different characters';
  for (let unit = 1; unit <= LONGEST_REPEATED_UNIT; unit++) {
    if (key.slice(unit) === key.slice(0, -unit)) return 'a repeated short pattern';
  }
  return undefined;
}
