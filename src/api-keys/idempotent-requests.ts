import { hash } from 'node:crypto';
import { ProblemException } from '../problems/problem.js';
import { DAY_MS } from '../time.js';
import type { KeyChange } from './key-changes.js';

const KEPT_FOR_MS = DAY_MS;

/**
 * Creates a key, unless the same caller has used the `Idempotency-Key` within a day: then `recall`
 * receives the id of the existing key. A concurrent request waits for this one.
 * @throws ProblemException `IDEMPOTENCY_KEY_REUSED`
 */
export async function makeOnce<Made extends { readonly row: { readonly id: string } }, Recalled>(
  { prisma, now }: KeyChange,
  callerId: string,
  idempotencyKey: string,
  request: unknown,
  make: () => Promise<Made>,
  recall: (apiKeyId: string) => Promise<Recalled>,
): Promise<Made | Recalled> {
  const digest = sha256(`${callerId}\n${idempotencyKey}`);
  const requestDigest = sha256(JSON.stringify(request));
  await prisma.idempotentRequest.deleteMany({
    where: { createdAt: { lt: new Date(now.getTime() - KEPT_FOR_MS) } },
  });
  const inserted = await prisma.$executeRaw`
    INSERT INTO idempotent_requests (digest, request_digest, api_key_id, created_at)
    VALUES (${digest}, ${requestDigest}, '', ${now}) ON CONFLICT DO NOTHING`;
  if (inserted === 0) {
    const known = await prisma.idempotentRequest.findUniqueOrThrow({ where: { digest } });
    if (!Buffer.from(known.requestDigest).equals(requestDigest)) {
      throw new ProblemException('IDEMPOTENCY_KEY_REUSED');
    }
    return recall(known.apiKeyId);
  }
  const made = await make();
  const apiKeyId = made.row.id;
  await prisma.idempotentRequest.update({ where: { digest }, data: { apiKeyId } });
  return made;
}

function sha256(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', text, 'buffer'));
}
