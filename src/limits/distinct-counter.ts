import { randomBytes } from 'node:crypto';

const INDEX_BITS = 12;
const REGISTERS = 2 ** INDEX_BITS;

// Secret, so that nobody can choose texts that are not counted.
const SEED = randomBytes(4).readUInt32LE();

/**
 * Estimates how many different texts it was given, in 4 KB however many they are: HyperLogLog, read while it is filled
 * (HIP, https://arxiv.org/abs/1306.3284). The standard error is 1.3 %, and far less below a thousand.
 */
export class DistinctCounter {
  private readonly registers = new Uint8Array(REGISTERS);
  private estimate = 0;
  /** The sum of 2 ** -register: of so many in `REGISTERS` new texts, one changes a register. */
  private sensitivity = REGISTERS;

  get count(): number {
    return Math.round(this.estimate);
  }

  add(text: string): void {
    const hash = hashOf(text);
    const index = hash >>> (32 - INDEX_BITS);
    const rank = Math.clz32((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))) + 1;
    const known = this.registers[index] ?? 0;
    if (rank <= known) return;
    this.estimate += REGISTERS / this.sensitivity;
    this.sensitivity += 2 ** -rank - 2 ** -known;
    this.registers[index] = rank;
  }
}

/** MurmurHash3 of the text's UTF-16 units. */
function hashOf(text: string): number {
  let hash = SEED;
  for (let index = 0; index < text.length; index++) {
    let unit = Math.imul(text.charCodeAt(index), 0xcc9e2d51);
    unit = Math.imul((unit << 15) | (unit >>> 17), 0x1b873593);
    hash ^= unit;
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  hash ^= text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
