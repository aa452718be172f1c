import { randomBytes } from 'node:crypto';

const LOW_4_BITS = 0x0f;
const VERSION_7 = 0x70;
const LOW_6_BITS = 0x3f;
const VARIANT = 0x80;

/** Creates a version 7 UUID (RFC 9562), as Prisma does. Such ids sort by creation time. */
export function createRowId(now = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & LOW_4_BITS) | VERSION_7, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & LOW_6_BITS) | VARIANT, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
