import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { API_KEY, useApp, withKey } from './support/app.js';
import { issueKey } from './support/keys.js';
import { UsersService } from '../src/users/users.service.js';
import { addUser } from './support/users.js';

const USERS = '/api/internal/users';
const WRONG_KEY = 'lk_test_0000000000000000000000000000001tQmWD';

async function statuses(times: number, send: () => Promise<{ status: number }>): Promise<number[]> {
  const responses: number[] = [];
  for (let time = 0; time < times; time++) responses.push((await send()).status);
  return responses;
}

describe('the requests of a key', () => {
  const app = useApp({ KEY_RATE_LIMIT: '5' });

  it('count towards its limit, and every response states how many requests remain', async () => {
    const { secret } = await issueKey(app.url);
    const { headers } = await withKey(app.url, secret).get(`${USERS}?ids=1`).expect(200);
    expect(headers['ratelimit-policy']).toBe('"default";q=5;w=60');
    expect(headers.ratelimit).toMatch(/^"default";r=4;t=(59|60)$/);
  });

  it('are refused with 429 beyond the limit until the window ends', async () => {
    const { secret } = await issueKey(app.url);
    const send = () => withKey(app.url, secret).get(`${USERS}?ids=1`);
    expect(await statuses(5, send)).toEqual([200, 200, 200, 200, 200]);
    const { headers, body } = await send().expect(429);
    expect(body).toMatchObject({ code: 'RATE_LIMITED', status: 429, retryable: true });
    expect(Number(headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(headers.ratelimit).toBe(`"default";r=0;t=${headers['retry-after']}`);
  });

  it('are counted separately for each key', async () => {
    const [one, other] = [await issueKey(app.url), await issueKey(app.url)];
    await statuses(6, () => withKey(app.url, one.secret).get(`${USERS}?ids=1`));
    await withKey(app.url, other.secret).get(`${USERS}?ids=1`).expect(200);
  });

  it('are limited by the key’s own limit if the key has one', async () => {
    const { secret } = await issueKey(app.url, { rateLimit: 7 });
    const send = () => withKey(app.url, secret).get(`${USERS}?ids=1`);
    expect((await statuses(8, send)).filter((status) => status === 200)).toHaveLength(7);
  });

  it('also count if the key lacks the required scope', async () => {
    const { secret } = await issueKey(app.url, { scopes: ['accounts:read'] });
    const send = () => withKey(app.url, secret).get(`${USERS}?ids=1`);
    expect(await statuses(6, send)).toEqual([403, 403, 403, 403, 403, 429]);
  });

  describe('at the boundary of a minute', () => {
    afterEach(() => void vi.useRealTimers());

    it('are admitted up to the limit of one window, not of two', async () => {
      const { secret } = await issueKey(app.url, { rateLimit: 50 });
      const { secret: other } = await issueKey(app.url);
      const send = () => withKey(app.url, secret).get(`${USERS}?ids=1`);
      const countAdmitted = async (times: number) =>
        (await statuses(times, send)).filter((status) => status === 200).length;
      vi.useFakeTimers({ toFake: ['performance', 'Date'] });
      await send().expect(200);
      const advance = async (milliseconds: number) => {
        vi.advanceTimersByTime(milliseconds);
        // The jump in time makes the key cache stale until the next heartbeat of the key sync.
        const statusOfOther = () => withKey(app.url, other).get('/api/internal/users?limit=0');
        await expect.poll(async () => (await statusOfOther()).status).not.toBe(503);
      };
      await advance(59_000);
      const before = await countAdmitted(60);
      await advance(1500);
      const after = await countAdmitted(60);
      expect({ before, after }).toEqual({ before: 49, after: 1 });
      await advance(60_000);
      expect(await countAdmitted(60)).toBe(50);
    });
  });

  it('are not limited if the key is a root key', async () => {
    const responses = await statuses(20, () => withKey(app.url).get(`${USERS}?ids=1`));
    expect(new Set(responses)).toEqual(new Set([200]));
  });
});

describe('keys with the same issuer', () => {
  const LIMIT = 20;
  const app = useApp({ KEY_USERS_LIMIT: '20', KEY_MISSES_LIMIT: '20' });

  /** Returns the secrets of a new issuer and of the keys that it has issued, in this order. */
  async function issueFamily(children: number, rateLimit?: number): Promise<string[]> {
    const scopes = ['users:read', 'keys:write'];
    const issuer = await issueKey(app.url, { scopes, rateLimit });
    const secrets = [issuer.secret];
    for (let child = 0; child < children; child++) {
      secrets.push((await issueKey(app.url, { rateLimit }, issuer.secret)).secret);
    }
    return secrets;
  }

  it('share the rate limit of their issuer', async () => {
    const [, ...children] = await issueFamily(3, LIMIT);
    const responses = await Promise.all(
      children.map((key) => statuses(15, () => withKey(app.url, key).get(`${USERS}?limit=0`))),
    );
    // The three creations count as requests of the issuer.
    const admitted = responses.flat().filter((status) => status !== 429);
    expect(admitted).toHaveLength(LIMIT - children.length);
  });

  it('share the enumeration limit of their issuer', async () => {
    for (let user = 0; user < 2 * LIMIT; user++)
      await addUser(app.prisma, { id: `enumerated-${user}` });
    const children = (await issueFamily(4)).slice(1);
    const received: number[] = [];
    for (let user = 0; user < 2 * LIMIT; user++) {
      const key = children[user % children.length];
      received.push((await withKey(app.url, key).get(`${USERS}/enumerated-${user}`)).status);
    }
    expect(received.filter((status) => status === 200)).toHaveLength(LIMIT);
  });

  it('share the miss limit of their issuer', async () => {
    const children = (await issueFamily(4)).slice(1);
    const received: number[] = [];
    for (let user = 0; user < 2 * LIMIT; user++) {
      const key = children[user % children.length];
      received.push((await withKey(app.url, key).get(`${USERS}/missing-${user}`)).status);
    }
    expect(received.filter((status) => status === 404)).toHaveLength(LIMIT);
  });
});

describe('the in-flight requests of a key', () => {
  const app = useApp({ KEY_CONCURRENCY_LIMIT: '3' });
  afterEach(() => void vi.restoreAllMocks());

  /** Blocks reads of users until `end` is called. */
  function holdReads() {
    const users = app.nest.get(UsersService, { strict: false });
    let end = (): void => undefined;
    const text = new Promise<string>((resolve) => (end = () => resolve('{}')));
    const read = vi.spyOn(users, 'get').mockImplementation(() => text);
    return { read, end };
  }

  it('are refused with 429 beyond the limit until others complete', async () => {
    const { secret } = await issueKey(app.url);
    const send = (key = secret) => withKey(app.url, key).get(`${USERS}/1`);
    const reads = holdReads();
    const refused: unknown[] = [];
    const responses = Array.from({ length: 10 }, async () => {
      const { status, body, headers } = await send();
      if (status === 429) refused.push({ code: body.code, retryAfter: headers['retry-after'] });
      return status;
    });
    await expect.poll(() => refused.length).toBe(7);
    expect(refused[0]).toEqual({ code: 'CONCURRENCY_LIMITED', retryAfter: '1' });
    const others = [(await issueKey(app.url)).secret, API_KEY].map((key) => send(key).expect(200));
    reads.end();
    await Promise.all(others);
    expect((await Promise.all(responses)).filter((status) => status === 200)).toHaveLength(3);
    await send().expect(200);
  });

  it('no longer count towards the limit after the client has disconnected', async () => {
    const { secret } = await issueKey(app.url);
    const send = () => withKey(app.url, secret).get(`${USERS}/1`);
    const reads = holdReads();
    const leaving = Array.from({ length: 3 }, () => {
      const request = send();
      request.end(() => undefined);
      return request;
    });
    await expect.poll(() => reads.read.mock.calls.length).toBe(3);
    const list = () => withKey(app.url, secret).get(`${USERS}?ids=1`);
    await list().expect(429);
    for (const request of leaving) request.abort();
    await expect.poll(async () => (await list()).status).toBe(200);
    reads.end();
  });
});

describe('wrong keys from an address', () => {
  const app = useApp({ SOURCE_FAILURE_LIMIT: '10', TRUSTED_PROXIES: '127.0.0.1' });
  const from = (address: string, key: string) =>
    withKey(app.url, key).get(`${USERS}?ids=1`).set('X-Forwarded-For', address);

  it('get 429 beyond the limit, regardless of the kind of wrong key', async () => {
    expect(await statuses(10, () => from('192.0.2.1', WRONG_KEY))).toEqual(Array(10).fill(401));
    const { body, headers } = await from('192.0.2.1', 'nonsense').expect(429);
    expect(body).toMatchObject({ code: 'TOO_MANY_FAILURES', retryable: false });
    expect(Number(headers['retry-after'])).toBeGreaterThan(50);
    expect(headers['ratelimit-policy']).toBe('"failures";q=10;w=60');
  });

  it('never block a valid key from the same address', async () => {
    const { secret } = await issueKey(app.url);
    await statuses(11, () => from('192.0.2.2', WRONG_KEY));
    await from('192.0.2.2', WRONG_KEY).expect(429);
    await from('192.0.2.2', secret).expect(200);
    await from('192.0.2.2', API_KEY).expect(200);
  });

  it('also count if a caller with a valid key sends them to the route that checks keys', async () => {
    const check = () =>
      withKey(app.url)
        .post('/api/internal/api-keys/check')
        .set('X-Forwarded-For', '192.0.2.3')
        .send({ apiKey: WRONG_KEY, address: '192.0.2.3' });
    expect(await statuses(10, check)).toEqual(Array(10).fill(200));
    await check().expect(429);
  });

  it('count for the /64 network of an IPv6 address', async () => {
    let host = 0;
    const responses = await statuses(11, () => from(`2001:db8:0:1::${++host}`, WRONG_KEY));
    expect(responses.at(-1)).toBe(429);
    await from('2001:db8:0:2::1', WRONG_KEY).expect(401);
  });
});

describe('a forged client address', () => {
  const app = useApp({ SOURCE_FAILURE_LIMIT: '10' });

  it('does not evade the limit, which uses the address of the connection', async () => {
    let number = 0;
    const send = () =>
      withKey(app.url, WRONG_KEY).get(USERS).set('X-Forwarded-For', `192.0.2.${++number}`);
    expect((await statuses(11, send)).at(-1)).toBe(429);
  });
});

describe('the users that a key requests', () => {
  const app = useApp({ KEY_USERS_LIMIT: '10', KEY_MISSES_LIMIT: '5' });
  let ids: string[];
  beforeAll(async () => {
    const users = await Promise.all(Array.from({ length: 12 }, () => addUser(app.prisma)));
    ids = users.map(({ id }) => id);
  });

  async function clientWithNewKey() {
    const { secret } = await issueKey(app.url, {
      scopes: ['users:read', 'users:write', 'accounts:read'],
    });
    return withKey(app.url, secret);
  }

  it('are limited to 10 distinct users per hour', async () => {
    const client = await clientWithNewKey();
    for (const id of ids.slice(0, 10)) await client.get(`${USERS}/${id}`).expect(200);
    const { body, headers } = await client.get(`${USERS}/${ids[10]}`).expect(429);
    expect(body).toMatchObject({ code: 'ENUMERATION_LIMITED', retryable: true });
    expect(Number(headers['retry-after'])).toBeGreaterThan(3590);
    expect(headers['ratelimit-policy']).toBe('"users";q=10;w=3600');
  });

  it('are also limited if a key probes ids or emails with writes', async () => {
    const client = await clientWithNewKey();
    for (const id of ids.slice(0, 3)) {
      const taken = { id, email: 'new@example.com', name: 'Ada Lovelace' };
      await client.post(USERS).send(taken).expect(409);
    }
    const [email, another] = ids.slice(3, 5).map((id) => `${id}@example.com`);
    await client.post(USERS).send({ email, name: 'Ada Lovelace' }).expect(409);
    await client.patch(`${USERS}/${ids[0]}`).send({ email: another }).expect(409);
    await client.get(`${USERS}/${ids[0]}`).expect(429);
    await client.post(USERS).send({ email: 'new@example.com', name: 'Ada Lovelace' }).expect(429);
  });

  it('count once if a key requests the same user repeatedly', async () => {
    const client = await clientWithNewKey();
    const responses = await statuses(30, () => client.get(`${USERS}/${ids[0]}`));
    expect(new Set(responses)).toEqual(new Set([200]));
  });

  it('count if they are read by a list of ids, in a page, or through their accounts', async () => {
    const byIds = await clientWithNewKey();
    await byIds.get(`${USERS}?ids=${ids.slice(0, 10).join(',')}`).expect(200);
    await byIds.get(`${USERS}/${ids[11]}`).expect(429);
    const byPage = await clientWithNewKey();
    await byPage.get(`${USERS}?limit=6`).expect(200);
    const { body } = await byPage.get(`${USERS}?limit=12`).expect(429);
    expect(body).not.toHaveProperty('users');
    const byAccounts = await clientWithNewKey();
    for (const id of ids.slice(0, 10)) await byAccounts.get(`${USERS}/${id}/accounts`).expect(200);
    await byAccounts.get(`${USERS}/${ids[11]}/accounts`).expect(429);
  });

  it('count as misses if they do not exist, and are limited to 5 misses per hour', async () => {
    const client = await clientWithNewKey();
    let number = 0;
    const miss = () => client.get(`${USERS}/nobody-${++number}`);
    expect(await statuses(5, miss)).toEqual(Array(5).fill(404));
    const { headers } = await client.get(`${USERS}/${ids[0]}`).expect(429);
    expect(headers['ratelimit-policy']).toBe('"misses";q=5;w=3600');
  });

  it('count as one miss if the same id is requested repeatedly', async () => {
    const client = await clientWithNewKey();
    const again = () => client.get(`${USERS}/nobody`);
    expect(await statuses(30, again)).toEqual(Array(30).fill(404));
    const search = () => client.post(`${USERS}/search`).send({ email: 'nobody@example.com' });
    expect(await statuses(30, search)).toEqual(Array(30).fill(200));
    await client.get(`${USERS}/${ids[0]}`).expect(200);
  });

  it('also count as misses in a list of ids and in a search', async () => {
    const byIds = await clientWithNewKey();
    await byIds.get(`${USERS}?ids=a,b,c,d,e`).expect(200);
    await byIds.get(`${USERS}?ids=${ids[0]}`).expect(429);
    const tooMany = await clientWithNewKey();
    await tooMany.get(`${USERS}?ids=a,b,c,d,e,f`).expect(429);
    const bySearch = await clientWithNewKey();
    let number = 0;
    const search = () =>
      bySearch.post(`${USERS}/search`).send({ email: `nobody-${++number}@example.com` });
    expect(await statuses(6, search)).toEqual([200, 200, 200, 200, 200, 429]);
  });

  it('are not changed or deleted beyond the limit', async () => {
    const client = await clientWithNewKey();
    await client.get(`${USERS}?ids=${ids.slice(0, 10).join(',')}`).expect(200);
    await client.patch(`${USERS}/${ids[11]}`).send({ name: 'Changed' }).expect(429);
    await client.delete(`${USERS}/${ids[11]}`).expect(429);
  });

  it('are not limited if the key is a root key', async () => {
    const { body } = await withKey(app.url).get(`${USERS}?limit=100`).expect(200);
    expect(body.users).toHaveLength(12);
  });

  it('do not include API keys: a look-up of an unknown API key is not a miss', async () => {
    const { secret } = await issueKey(app.url, { scopes: ['keys:read'] });
    const missing = '/api/internal/api-keys/019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90';
    const responses = await statuses(10, () => withKey(app.url, secret).get(missing));
    expect(new Set(responses)).toEqual(new Set([404]));
  });
});

describe('concurrent look-ups by a key', () => {
  const MISSES = 50;
  const app = useApp({ KEY_MISSES_LIMIT: String(MISSES) });

  it('reveal at most 50 misses, and then get 429 for existing and unknown ids', async () => {
    const { id } = await addUser(app.prisma);
    const { secret } = await issueKey(app.url);
    const send = async (path: string) => {
      const { status } = await withKey(app.url, secret).get(`${USERS}/${path}`);
      return { path, status };
    };
    const burst = (name: string) =>
      Promise.all(
        Array.from({ length: 300 }, (_, number) =>
          send(number % 3 === 0 ? id : `${name}-${number}`),
        ),
      );
    const responses = [...(await burst('one')), ...(await burst('other'))];
    expect(responses.filter(({ status }) => status === 404)).toHaveLength(MISSES);
    const afterwards = await burst('third');
    expect(new Set(afterwards.map(({ status }) => status))).toEqual(new Set([429]));
  });
});

describe('with LIMITS=off', () => {
  const app = useApp({
    LIMITS: 'off',
    KEY_RATE_LIMIT: '1',
    KEY_USERS_LIMIT: '1',
    SOURCE_FAILURE_LIMIT: '1',
    REDIS_URL: 'redis://127.0.0.1:1',
  });

  it('no request is limited', async () => {
    const { secret } = await issueKey(app.url);
    const good = await statuses(3, () => withKey(app.url, secret).get(`${USERS}?ids=1,2,3`));
    expect(good).toEqual([200, 200, 200]);
    const wrong = await statuses(3, () => withKey(app.url, WRONG_KEY).get(`${USERS}?ids=1`));
    expect(wrong).toEqual([401, 401, 401]);
  });
});
