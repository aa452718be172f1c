import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { generateApiKey } from '../../../src/api-keys/api-key-format.js';
import { KEY_ENVIRONMENTS, type KeyEnvironment } from '../../../src/config/key-environment.js';
import type { KeyRefusal } from '../../../src/requests/request-event.js';
import type { HttpCaller } from './http-caller.js';

const KEYS = '/api/internal/api-keys';
const USERS = '/api/internal/users';
const LIFETIME_MS = 1500;
const NO_LIMIT = 10_000_000;

const createdSchema = z.object({ apiKey: z.object({ id: z.string() }), secret: z.string() });

/** A caller that sends requests of one kind with one key. */
export interface Caller {
  /** The reason why the key is refused; undefined for a valid key. */
  readonly refusal: KeyRefusal | undefined;
  readonly keyId: string | null;
  readonly headers: Record<string, string>;
  readonly path: (turn: number) => string;
}

/** Creates callers. Together, their requests cause every outcome except `unverifiable`. */
export async function makeCallers(
  http: HttpCaller,
  rootKey: string,
  environment: KeyEnvironment,
): Promise<Caller[]> {
  const issue = async (fields: Record<string, unknown>) => {
    const input = { name: 'demo-attack', scopes: ['users:read'], rateLimit: NO_LIMIT, ...fields };
    const { body } = await http.call('POST', KEYS, { 'x-api-key': rootKey }, input);
    return createdSchema.parse(body);
  };
  const expiresAt = new Date(Date.now() + LIFETIME_MS).toISOString();
  const [good, forbidden, rateLimited, enumerating, revoked, expired, foreign] = await Promise.all([
    issue({}),
    issue({ scopes: ['accounts:read'] }),
    issue({ rateLimit: 100 }),
    issue({}),
    issue({}),
    issue({ expiresAt }),
    issue({ networks: ['192.0.2.0/24'] }),
  ]);
  await revoke(http, rootKey, revoked.apiKey.id);
  await sleep(LIFETIME_MS);
  const otherEnvironment = KEY_ENVIRONMENTS.find((each) => each !== environment) ?? 'test';
  return [
    caller(undefined, good),
    caller(undefined, forbidden),
    caller(undefined, rateLimited),
    { ...caller(undefined, enumerating), path: (turn) => `${USERS}/nobody-${turn}` },
    caller('revoked', revoked),
    caller('expired', expired),
    caller('foreign-network', foreign),
    callerWithoutId('missing', undefined),
    callerWithoutId('malformed', 'lk_live_guessed'),
    callerWithoutId('unknown', generateApiKey(environment)),
    callerWithoutId('wrong-environment', generateApiKey(otherEnvironment)),
  ];
}

async function revoke(http: HttpCaller, rootKey: string, id: string): Promise<void> {
  await http.call('POST', `${KEYS}/${id}/revoke`, { 'x-api-key': rootKey }, {});
}

function caller(
  refusal: KeyRefusal | undefined,
  { apiKey, secret }: z.infer<typeof createdSchema>,
): Caller {
  return {
    refusal,
    keyId: apiKey.id,
    headers: { 'x-api-key': secret },
    path: () => `${USERS}?limit=1`,
  };
}

function callerWithoutId(refusal: KeyRefusal, key: string | undefined): Caller {
  const headers: Record<string, string> = key === undefined ? {} : { 'x-api-key': key };
  return { refusal, keyId: null, headers, path: () => `${USERS}/12345` };
}
