import { CompactSign } from 'jose';

/** Signs any text as a token's payload (HS256), even a text that no JWT library would produce. */
export async function signPayload(payload: string, secret: string): Promise<string> {
  const encoder = new TextEncoder();
  return new CompactSign(encoder.encode(payload))
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .sign(encoder.encode(secret));
}

/**
 * Claims of a wrong type, each as a JSON member. A test appends a member to a valid payload. The
 * member replaces the valid claim, because JSON.parse uses the last member with a given name.
 */
export const MISTYPED_CLAIMS = [
  '"sub":12345',
  '"sub":["12345"]',
  '"sub":{"id":"12345"}',
  '"sub":null',
  '"sub":true',
  '"scope":["profile:read"]',
  '"scope":{}',
  '"scope":1',
  '"scope":null',
  '"client_id":1',
  '"client_id":["tests"]',
  '"client_id":{}',
  '"iss":1',
  '"iss":{}',
  '"iss":null',
  '"aud":1',
  '"aud":{}',
  '"aud":[["nested"]]',
  '"exp":"99999999999"',
  '"exp":1e999',
  '"exp":-1e999',
  '"exp":9007199254740993',
  '"exp":99999999999.5',
  '"exp":[99999999999]',
  '"exp":{}',
  '"exp":null',
  '"exp":true',
  '"nbf":"0"',
  '"nbf":-1e999',
  '"nbf":[0]',
  '"nbf":{}',
  '"nbf":null',
  '"iat":"0"',
  '"iat":1e999',
  '"iat":[0]',
  '"iat":{}',
  '"iat":null',
] as const;
