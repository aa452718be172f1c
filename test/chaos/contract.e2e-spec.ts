import { hash } from 'node:crypto';
import { mintAccessToken } from '@latchkey/access-tokens/mint';
import { HttpFront } from '@latchkey/http-front/http-front';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { KeyVerifier } from '../../src/api-keys/key-verifier.js';
import { UsersService } from '../../src/users/users.service.js';
import { API_KEY, startApp, withKey } from '../support/app.js';
import { issueKey } from '../support/keys.js';
import { type ApiRequest, type Credentials, apiRequests } from './support/api-requests.js';
import { ChaosDatabase, until } from './support/chaos-database.js';
import {
  Contract,
  HANG_MS,
  type OpenApi,
  type ReceivedResponse,
  codeOf,
  readOpenApi,
} from './support/contract.js';
import { SEED, findFault } from './support/fuzzing.js';
import { type Exchange, exchange } from './support/raw-exchange.js';
import { type RawRequest, keyedRequests, unkeyedRequests } from './support/raw-requests.js';
import { smugglingRequests } from './support/smuggling-requests.js';
import { record, scaled } from './support/results.js';
import { USER_IDS } from './support/schema-values.js';

const CASES_IN_PROCESS = scaled(100_000, 5);
const CASES_OVER_SOCKETS = scaled(20_000, 5);
const BATCH = 50;
// Each control test breaks the backend or the OpenAPI document on purpose. This many cases are
// enough to reveal the violation.
const CONTROL_CASES = 2000;
const TIMEOUT_MS = 900_000;
const EXPENDABLE_KEYS = 100;
const MAX_SHOWN = 2000;
const JWT_SECRET = '0a1c2e4b6d8f7053942b6a8c0e1d3f57';
const AUDIENCE = 'http://backend.test';

let database: ChaosDatabase;
let app: NestFastifyApplication;
let credentials: Credentials;

beforeAll(async () => {
  database = await ChaosDatabase.start();
  app = await startApp({
    DATABASE_URL: database.url,
    API_DOCS: 'off',
    JWT_SECRET,
    JWT_ISSUER: 'issuer',
    AUTH_TOKEN_AUDIENCE: AUDIENCE,
    // With the default limits, most responses would be 429.
    SOURCE_FAILURE_LIMIT: '10000000',
    KEY_RATE_LIMIT: '10000000',
    KEY_USERS_LIMIT: '1000000000',
    KEY_MISSES_LIMIT: '1000000000',
  });
  await addUsers();
  credentials = await makeCredentials(await app.getUrl());
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  await app.close();
  await database.remove();
});

async function addUsers(): Promise<void> {
  const ids = USER_IDS.map((id) => `('${id}')`).join(', ');
  await database.query(`INSERT INTO users (id, email, name, roles, permissions, updated_at)
    SELECT id, id || '@example.com', 'Ada Lovelace', '{}', '{}', now() FROM (VALUES ${ids}) AS ids (id)`);
}

async function makeCredentials(url: string): Promise<Credentials> {
  await until(async () => (await withKey(url).get('/api/health/ready')).status === 200);
  const revoked = await issueKey(url);
  await withKey(url).post(`/api/internal/api-keys/${revoked.id}/revoke`).send({}).expect(200);
  const expendable = Array.from({ length: EXPENDABLE_KEYS }, () => issueKey(url));
  const keys = [
    issueKey(url, { readFields: ['name'] }),
    issueKey(url, { scopes: ['keys:read', 'keys:write'] }),
    issueKey(url, { scopes: ['users:read', 'users:write', 'accounts:read'] }),
    issueKey(url, { rateLimit: 1 }),
    issueKey(url, { networks: ['127.0.0.0/8'] }),
  ];
  return {
    rootKey: API_KEY,
    issuedKeys: (await Promise.all(keys)).map(({ secret }) => secret),
    badKeys: ['', ' ', 'wrong', `${API_KEY}0`, API_KEY.toUpperCase(), revoked.secret],
    accessTokens: await Promise.all(['u0', 'u1', 'nobody'].map((userId) => mint(userId))),
    badTokens: ['', 'nonsense', await mint('u0', -60)],
    keyIds: (await Promise.all(expendable)).map(({ id }) => id),
    rootKeyId: `root_${hash('sha256', API_KEY).slice(0, 8)}`,
  };
}

function mint(userId: string, lifetimeSeconds = 3600): Promise<string> {
  const grant = { secret: JWT_SECRET, issuer: 'issuer', audience: AUDIENCE, scopes: [] };
  return mintAccessToken({ ...grant, userId, clientId: 'test', lifetimeSeconds });
}

/** Counts responses by status and problem code. */
class Tally {
  readonly counts = new Map<string, number>();

  add(response: ReceivedResponse): void {
    const name = [response.status, codeOf(response)].filter(Boolean).join(' ');
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  print(): void {
    console.log(`seed ${SEED}`, Object.fromEntries(this.counts));
  }

  byStatus(): string {
    const sums = new Map<string, number>();
    for (const [name, count] of this.counts) {
      const status = name.slice(0, 3);
      sums.set(status, (sums.get(status) ?? 0) + count);
    }
    const sorted = [...sums].toSorted(([a], [b]) => a.localeCompare(b));
    return sorted.map(([status, count]) => `${status}: ${count}`).join(', ');
  }
}

/** Makes the backend admit every key as if it were the root key. */
function admitAnyKey(): void {
  const verifier = app.get(KeyVerifier);
  vi.spyOn(verifier, 'verify').mockReturnValue(verifier.verify(API_KEY, '127.0.0.1'));
}

/** The OpenAPI document after `remove` has deleted members of it. */
function openApiWithout(remove: (document: OpenApi) => void): OpenApi {
  const document = readOpenApi();
  remove(document);
  return document;
}

const secondsSince = (moment: number) => ((performance.now() - moment) / 1000).toFixed(0);

describe('valid and invalid requests generated from the OpenAPI document', () => {
  async function send({ method, target, headers, payload }: ApiRequest): Promise<ReceivedResponse> {
    const startedAt = performance.now();
    const content = payload === undefined ? {} : { payload };
    const response = await app.inject({ method, url: target, headers, ...content });
    return {
      status: response.statusCode,
      contentType: response.headers['content-type']?.toString(),
      body: response.body,
      ms: performance.now() - startedAt,
    };
  }

  function fuzz(document: OpenApi, count: number, tally = new Tally()) {
    const contract = new Contract(document);
    const examine = async (request: ApiRequest): Promise<string[]> => {
      const response = await send(request);
      tally.add(response);
      // Normalizes the target as `inject` does.
      const { pathname, search } = new URL(request.target, 'http://localhost');
      const violation = contract.findViolation({ ...request, target: pathname + search }, response);
      return violation === undefined ? [] : [describeFault(violation, { ...request, response })];
    };
    const requests = apiRequests(document, contract, credentials);
    return findFault(requests, count, BATCH, async (batch) =>
      (await Promise.all(batch.map(examine))).flat(),
    );
  }

  it(
    'get documented responses within 1 s, never 5xx, and never 2xx without a key',
    async () => {
      const tally = new Tally();
      const startedAt = performance.now();
      const fault = await fuzz(readOpenApi(), CASES_IN_PROCESS, tally);
      tally.print();
      expect(fault).toBeUndefined();
      record({
        promise: 'Every response is documented: no 5xx, no time-out, no access without a key',
        failure: `${tally.total} generated requests within the process, seed ${SEED}`,
        result: `0 faults in ${secondsSince(startedAt)} s; ${tally.byStatus()}`,
        control:
          'detected: a guard that admits every key, a failing or hanging service, undocumented responses',
        reference: 'Schemathesis: status, content type and schema conform',
      });
    },
    TIMEOUT_MS,
  );

  it.each<[string, string, () => OpenApi]>([
    [
      'any key is admitted',
      'admitted without a key',
      () => {
        admitAnyKey();
        return readOpenApi();
      },
    ],
    [
      'a service fails',
      'a server error',
      () => {
        vi.spyOn(app.get(UsersService), 'list').mockRejectedValue(new Error('a bug'));
        return readOpenApi();
      },
    ],
    [
      'a service hangs',
      'responded after',
      () => {
        vi.spyOn(app.get(UsersService), 'list').mockImplementation(async () => {
          await sleep(HANG_MS + 100);
          return { users: [], nextCursor: null };
        });
        return readOpenApi();
      },
    ],
    [
      'a status is not documented',
      'an undocumented status',
      () =>
        openApiWithout(({ paths }) => delete paths['/api/internal/users']?.post?.responses[400]),
    ],
    [
      'a content type is not documented',
      'an undocumented content type',
      () =>
        openApiWithout(
          ({ paths }) => delete paths['/api/internal/users/{id}']?.get?.responses[404]?.content,
        ),
    ],
    [
      'a member of a body is not documented',
      'an undocumented body',
      () =>
        openApiWithout(({ components }) => {
          for (const name of ['User', 'CurrentUser', 'ApiKey']) {
            Object.assign(components.schemas[name] ?? {}, { properties: {} });
          }
        }),
    ],
  ])('reveal a violation of the contract if %s (control)', async (_case, violation, breakIt) => {
    expect(await fuzz(breakIt(), CONTROL_CASES)).toContain(violation);
  });
});

describe('raw requests', () => {
  /** Returns the violation of an expectation, or undefined if there is none. */
  type Judge = (request: RawRequest, exchange: Exchange) => string | undefined;

  async function fuzz(
    requests: fc.Arbitrary<RawRequest>,
    count: number,
    judge: Judge,
    { mayRunSql = false, tally = new Tally() } = {},
  ): Promise<string | undefined> {
    const port = Number(new URL(await app.getUrl()).port);
    const takeStatements = watchStatements();
    const examine = async (request: RawRequest): Promise<string[]> => {
      const result = await exchange(port, request.bytes);
      for (const response of result.responses) tally.add(response);
      const violation = judge(request, result);
      return violation === undefined ? [] : [describeFault(violation, { ...request, ...result })];
    };
    return findFault(requests, count, BATCH, async (batch) => {
      const violations = (await Promise.all(batch.map(examine))).flat();
      const statements = takeStatements();
      if (mayRunSql || statements.length === 0) return violations;
      return [...violations, `SQL was run: ${statements[0]}`];
    });
  }

  const contract = new Contract(readOpenApi());
  const mustKeepContract: Judge = (request, { responses, rest, isStuck }) => {
    const [response] = responses;
    if (isStuck) return 'a connection that is never closed';
    if (response === undefined) return 'no response';
    if (responses.length > 1 || rest !== '') return 'more than one response';
    return contract.findViolation(request, response);
  };
  const mustBeRefused: Judge = (request, result) => {
    const [response] = result.responses;
    if (response !== undefined && ![400, 417].includes(response.status)) return 'not refused';
    const violation = mustKeepContract(request, result);
    return violation ?? (result.isRefused ? undefined : 'a connection that stays open');
  };

  const PROMISES: [string, (key: string) => fc.Arbitrary<RawRequest>, Judge, boolean, string][] = [
    [
      'get documented responses within 1 s; without a key, none runs SQL or reaches a protected route',
      unkeyedRequests,
      mustKeepContract,
      false,
      'raw requests without a valid key, with disguised paths and headers and unusual request lines',
    ],
    [
      'with a valid key get documented responses within 1 s, and never 5xx',
      keyedRequests,
      mustKeepContract,
      true,
      'raw requests with a valid key, with disguised paths and headers and unusual request lines',
    ],
    [
      'whose end is ambiguous get one refusal, run no SQL, and have their connection closed',
      smugglingRequests,
      mustBeRefused,
      false,
      'raw requests for request smuggling, with a valid key: ambiguous lengths, codings, chunks and line ends',
    ],
  ];

  it.each(PROMISES)(
    '%s',
    async (promise, requestsWith, judge, mayRunSql, failure) => {
      const tally = new Tally();
      const startedAt = performance.now();
      const front = app.get(HttpFront);
      const refusedBefore = front.loadShedder?.refused ?? 0;
      const count = CASES_OVER_SOCKETS / PROMISES.length;
      const fault = await fuzz(requestsWith(API_KEY), count, judge, { mayRunSql, tally });
      tally.print();
      expect(fault).toBeUndefined();
      const refused = front.loadShedder?.refused ?? 0;
      expect(tally.counts.get('503 OVERLOADED') ?? 0).toBe(refused - refusedBefore);
      record({
        promise: `Raw requests ${promise}`,
        failure: `${tally.total} ${failure}, seed ${SEED}`,
        result: `0 faults in ${secondsSince(startedAt)} s; ${tally.byStatus()}`,
        control: 'detected: a guard that admits every key, a lenient parser',
        reference: 'RFC 9112: refuse ambiguous requests and close the connection',
      });
    },
    TIMEOUT_MS,
  );

  const mayDoAnything: Judge = () => undefined;

  it('are admitted and run SQL if any key is admitted (control)', async () => {
    admitAnyKey();
    const requests = unkeyedRequests(API_KEY);
    const admitted = await fuzz(requests, CONTROL_CASES, mustKeepContract, { mayRunSql: true });
    expect(admitted).toContain('admitted without a key');
    expect(await fuzz(requests, CONTROL_CASES, mayDoAnything)).toContain('SQL was run');
  });

  it('are accepted and run SQL if the parser is lenient (control)', async () => {
    const server = app.getHttpServer();
    Object.assign(server, { insecureHTTPParser: true });
    const requests = smugglingRequests(API_KEY);
    const accepted = await fuzz(requests, CONTROL_CASES, mustBeRefused, { mayRunSql: true });
    const withSql = await fuzz(requests, CONTROL_CASES, mayDoAnything);
    Object.assign(server, { insecureHTTPParser: false });
    expect(accepted).toContain('not refused');
    expect(withSql).toContain('SQL was run');
  });

  it('get no response from a slow server (control)', async () => {
    vi.spyOn(app.get(UsersService), 'list').mockImplementation(async () => {
      await sleep(HANG_MS + 100);
      return { users: [], nextCursor: null };
    });
    const options = { mayRunSql: true };
    const fault = await fuzz(keyedRequests(API_KEY), CONTROL_CASES, mustKeepContract, options);
    expect(fault).toContain('no response');
  });
});

/**
 * Records the SQL statements on users and accounts. In this process, only requests run such
 * statements. The returned function returns the statements since its previous call.
 */
function watchStatements(): () => string[] {
  const query = vi.spyOn(Client.prototype, 'query');
  return () => {
    const texts = query.mock.calls.map(([statement]) => textOf(statement));
    query.mockClear();
    return texts.filter((text) => /\b(users|accounts)\b/.test(text));
  };
}

function textOf(statement: unknown): string {
  if (typeof statement === 'string') return statement;
  const isQuery = typeof statement === 'object' && statement !== null && 'text' in statement;
  return isQuery ? String(statement.text) : '';
}

function describeFault(violation: string, exchanged: object): string {
  return `${violation}: ${JSON.stringify(exchanged).slice(0, MAX_SHOWN)}`;
}
