import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ProblemException } from '../problems/problem.js';
import { DAY_MS } from '../time.js';
import type { KeyChange } from './key-changes.js';

const KEPT_FOR_MS = DAY_MS;

/** Remembers for a day which requests have made a key, by the caller's `Idempotency-Key`. */
@Injectable()
export class IdempotentRequests {
  /**
   * Makes a key unless the same caller has asked for it before: then `recall` is given its id. A request at the same time
   * waits for this one.
   * @throws ProblemException `IDEMPOTENCY_KEY_REUSED`
   */
  async once<Made extends { readonly row: { readonly id: string } }, Recalled>(
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
}

function sha256(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', text, 'buffer'));
}
