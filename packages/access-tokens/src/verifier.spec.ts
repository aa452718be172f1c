import fc from 'fast-check';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MISTYPED_CLAIMS, signPayload } from '../test/sign-payload.js';
import { mintAccessToken, type TokenRequest } from './mint.js';
import { USER_ID } from './user-id.js';
import { AccessTokenError, AccessTokenVerifier } from './verifier.js';

const secret = '5b1f9c3e7a2d48f6b0c4e8d2a6f1937c';
const issuer = 'https://issuer.example';
const audience = 'https://mcp.example/mcp';
const verifier = new AccessTokenVerifier({ keys: { secret }, issuer, audience });

function mint(fields: Partial<TokenRequest> = {}): Promise<string> {
  return mintAccessToken({
    secret,
    issuer,
    audience,
    userId: '12345',
    clientId: 'claude',
    scopes: ['balance:read', 'profile:read'],
    lifetimeSeconds: 60,
    ...fields,
  });
}

/** Signs a token with claims that `mintAccessToken` would not create. */
function sign(claims: Record<string, unknown>, header = { alg: 'HS256' }): Promise<string> {
  return new SignJWT({ ...goodClaims(), ...claims })
    .setProtectedHeader(header)
    .sign(new TextEncoder().encode(secret));
}

const goodClaims = () => ({
  iss: issuer,
  aud: audience,
  sub: '12345',
  exp: Math.floor(Date.now() / 1000) + 60,
});

const CLAIM_NAMES = ['iss', 'aud', 'sub', 'exp', 'nbf', 'iat', 'scope', 'client_id', '__proto__'];

const accessTokenSchema = z.strictObject({
  userId: z.string().regex(USER_ID),
  clientId: z.string().optional(),
  scopes: z.array(z.string()),
  expiresAt: z.int(),
});

const outcomeSchema = z.union([
  accessTokenSchema,
  z
    .instanceof(AccessTokenError)
    .refine(({ fault }) => fault !== 'keys-unavailable', 'is a fault of the token'),
]);

async function faultOf(token: string): Promise<string | undefined> {
  try {
    await verifier.verify(token);
  } catch (error) {
    if (error instanceof AccessTokenError) return error.fault;
    throw error;
  }
  return undefined;
}

describe('AccessTokenVerifier', () => {
  it('reads the user, the client, the scopes and the expiry', async () => {
    const token = await verifier.verify(await mint());
    expect(token).toEqual({
      userId: '12345',
      clientId: 'claude',
      scopes: ['balance:read', 'profile:read'],
      expiresAt: expect.any(Number),
    });
  });

  it('returns no scopes and no client for a token that has neither', async () => {
    const token = await verifier.verify(await sign({}));
    expect(token).toMatchObject({ scopes: [], clientId: undefined });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no expiry', { exp: undefined }, 'claims'],
    ['an expiry in the past', { exp: 1 }, 'expired'],
    ['a validity that starts in the future', { nbf: 99_999_999_999 }, 'claims'],
    ['another issuer', { iss: 'https://evil.example' }, 'claims'],
    ['no issuer', { iss: undefined }, 'claims'],
    ['another audience', { aud: 'https://other.example' }, 'claims'],
    ['no audience', { aud: undefined }, 'claims'],
    ['no subject', { sub: undefined }, 'claims'],
    ['a path as its subject', { sub: '../admin' }, 'claims'],
    ['a subject of 65 characters', { sub: 'a'.repeat(65) }, 'claims'],
    ['a list as its scope', { scope: ['balance:read'] }, 'claims'],
    ['a scope with a line break', { scope: 'balance:read\nx' }, 'claims'],
  ])('refuses a token with %s', async (_case, claims, fault) => {
    expect(await faultOf(await sign(claims))).toBe(fault);
  });

  it('accepts a token whose list of audiences includes the audience of the verifier', async () => {
    expect(await faultOf(await sign({ aud: ['https://other.example', audience] }))).toBeUndefined();
  });

  it('refuses a token whose list of audiences has a member that is not a string', async () => {
    expect(await faultOf(await sign({ aud: [audience, 1] }))).toBe('claims');
  });

  it.each(MISTYPED_CLAIMS)('refuses a signed token with the mistyped claim %s', async (claim) => {
    const good = JSON.stringify(goodClaims()).slice(0, -1);
    const fault = await faultOf(await signPayload(`${good},${claim}}`, secret));
    expect(fault).toMatch(/^(claims|expired)$/);
  });

  it('either accepts a signed payload or throws an AccessTokenError, whatever the payload', async () => {
    // Changes one claim of a valid payload, so that this claim alone decides the result.
    const changedClaim = fc
      .tuple(fc.constantFrom(...CLAIM_NAMES), fc.jsonValue())
      .map(([name, value]) => JSON.stringify({ ...goodClaims(), [name]: value }));
    const payload = fc.oneof(fc.string(), fc.json(), changedClaim);
    await fc.assert(
      fc.asyncProperty(payload, async (text) => {
        const token = await signPayload(text, secret);
        const result: unknown = await verifier.verify(token).catch((thrown: unknown) => thrown);
        outcomeSchema.parse(result);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses a correctly signed token whose algorithm is not HS256', async () => {
    expect(await faultOf(await sign({}, { alg: 'HS512' }))).toBe('signature');
  });

  it('refuses a token that is signed with another secret', async () => {
    expect(await faultOf(await mint({ secret: secret.toUpperCase() }))).toBe('signature');
  });

  it.each(['', 'a.b.c', 'a.b', 'x'.repeat(10_000)])('reports %j as malformed', async (text) => {
    expect(await faultOf(text)).toBe('malformed');
  });

  it('never quotes the token in its errors', async () => {
    const token = await mint({ lifetimeSeconds: -60 });
    const error: unknown = await verifier.verify(token).catch((thrown: unknown) => thrown);
    const text = JSON.stringify(error, Object.getOwnPropertyNames(error));
    for (const part of token.split('.')) expect(text).not.toContain(part);
    expect(error).not.toHaveProperty('cause');
  });

  it('refuses a secret that is too short', () => {
    const keys = { secret: 'x'.repeat(31) };
    expect(() => new AccessTokenVerifier({ keys, issuer, audience })).toThrow(RangeError);
  });
});
