import { hash } from 'node:crypto';
import { ProblemException } from '../problems/problem.js';
import { DAY_MS } from '../time.js';
import type { KeyChange } from './key-changes.js';

const KEPT_FOR_MS = DAY_MS;

interface IdempotentRequest {
  readonly callerId: string;
  readonly idempotencyKey: string;
  readonly body: unknown;
}

/**
 * Reserves an `Idempotency-Key` for the creation of the key `apiKeyId`. Returns `apiKeyId`, or the
 * id of the key that an identical request has created within the last day. Waits for concurrent
 * requests with the same `Idempotency-Key`.
 * @throws ProblemException `IDEMPOTENCY_KEY_REUSED` if a request with another body has reserved
 * this `Idempotency-Key`
 */
export async function reserveIdempotencyKey(
  { callerId, idempotencyKey, body }: IdempotentRequest,
  apiKeyId: string,
  { prisma, now }: KeyChange,
): Promise<string> {
  const requestDigest = sha256(JSON.stringify(body));
  await prisma.idempotentRequest.deleteMany({
    where: { createdAt: { lt: new Date(now.getTime() - KEPT_FOR_MS) } },
  });
  const [reserved] = await prisma.$queryRaw<[{ apiKeyId: string; requestDigest: Uint8Array }]>`
    INSERT INTO idempotent_requests AS known (digest, request_digest, api_key_id, created_at)
    VALUES (${sha256(`${callerId}\n${idempotencyKey}`)}, ${requestDigest}, ${apiKeyId}, ${now})
    -- A no-op update, because DO NOTHING would not return the existing row.
    ON CONFLICT (digest) DO UPDATE SET api_key_id = known.api_key_id
    RETURNING api_key_id AS "apiKeyId", request_digest AS "requestDigest"`;
  if (!requestDigest.equals(reserved.requestDigest)) {
    throw new ProblemException('IDEMPOTENCY_KEY_REUSED');
  }
  return reserved.apiKeyId;
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
