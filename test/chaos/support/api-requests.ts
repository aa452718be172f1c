import fc from 'fast-check';
import type { Contract, OpenApi, Operation, Schema, Sent } from './contract.js';
import { SchemaValues, USER_IDS, hostileText } from './schema-values.js';

export interface ApiRequest extends Sent {
  readonly method: 'DELETE' | 'GET' | 'HEAD' | 'OPTIONS' | 'PATCH' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly payload?: string | undefined;
}

/** Keys, access tokens and key ids of a running application, for use in generated requests. */
export interface Credentials {
  readonly rootKey: string;
  /** Valid keys, each with its own scopes, fields and limits. */
  readonly issuedKeys: readonly string[];
  /** Invalid keys, such as a revoked key. */
  readonly badKeys: readonly string[];
  readonly accessTokens: readonly string[];
  readonly badTokens: readonly string[];
  /** Ids of keys that the requests may rotate and revoke. */
  readonly keyIds: readonly string[];
  readonly rootKeyId: string;
}

interface Authentication {
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly isKeyed: boolean;
}

const METHODS: Readonly<Record<string, ApiRequest['method']>> = {
  get: 'GET',
  post: 'POST',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
};
const OTHER_METHODS = ['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'GET'] as const;

const HOSTILE_SEGMENTS = [
  '',
  '.',
  '%2e%2e',
  '..%2f..',
  'a%2Fb',
  '%252f',
  '%00',
  '%0d%0a',
  '%ff',
  '%zz',
  '%',
  '%c0%af',
  '%F0%9F%8E%89',
  ';a=b',
  'u1;x',
  'u1%20',
  'U1',
  'x'.repeat(65),
  'x'.repeat(9000),
  '00000000-0000-0000-0000-000000000000',
  'root_00000000',
];
const HOSTILE_QUERIES = [
  'limit=0',
  'limit=1e2',
  'limit=+5',
  'limit=1&limit=2',
  'limit[]=1',
  'limit[a]=1',
  'limit=%00',
  'cursor=',
  'cursor=AAAA',
  `cursor=${'A'.repeat(200)}`,
  'ids=',
  'ids=,,,',
  'ids=u1,u1,u2',
  `ids=${'u1,'.repeat(101)}u2`,
  'ids=u1&ids=u2',
  '__proto__=1',
  '__proto__[a]=1',
  'constructor=1',
  '%zz=1',
  'type=%ff',
  'from=2025-01-01T00:00:00Z&to=2020-01-01T00:00:00Z',
  'from=0001-01-01T00:00:00Z',
  'to=9999-12-31T23:59:59Z',
  '&&&===',
  'X-API-Key=a',
];
const HOSTILE_HEADERS: readonly Readonly<Record<string, string | string[]>>[] = [
  { 'x-request-id': 'x'.repeat(300) },
  { 'x-request-id': '\u00e9 "\\' },
  { 'x-forwarded-for': '1.2.3.4, ::1' },
  { 'x-http-method-override': 'DELETE' },
  { 'x-original-url': '/api/health' },
  { 'user-agent': '\u00ff'.repeat(100) },
  { accept: 'text/html' },
  { accept: 'application/xml;q=1, */*;q=0' },
  { 'accept-encoding': 'gzip, br' },
  { 'if-none-match': '*' },
  { range: 'bytes=0-1' },
  { 'idempotency-key': '' },
  { 'idempotency-key': 'one' },
  { 'idempotency-key': 'k'.repeat(1000) },
  { 'idempotency-key': '\u00e9' },
  { traceparent: '00-0-0-0' },
  { origin: 'null' },
  { cookie: 'a=b' },
  { 'content-encoding': 'gzip' },
];
const CONTENT_TYPES = [
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  'application/json,text/plain',
  'application/jsonx',
  'application/merge-patch+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
  '',
  '/',
  '__proto__',
];
const HOSTILE_BODIES = [
  '',
  ' ',
  '{',
  '[]',
  'null',
  '1',
  '"a"',
  '{"a":1,"a":2}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{}}}',
  '{"email":"u1@example.com","name":1e999}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `{"name":"${'x'.repeat(70_000)}"}`,
  '\uFEFF{}',
  '{}{}',
  "{'a':1}",
  '{"name":"\\ud800","email":"u1@example.com"}',
  '{"name":"a\\u0000b","email":"u1@example.com"}',
];

/** Generates requests to all operations of a document. Most parts of a request are valid. */
export function apiRequests(
  document: OpenApi,
  { operations }: Contract,
  credentials: Credentials,
): fc.Arbitrary<ApiRequest> {
  const values = new SchemaValues(document);
  return fc.oneof(...operations.map((operation) => requestsOf(operation, values, credentials)));
}

function requestsOf(
  operation: Operation,
  values: SchemaValues,
  credentials: Credentials,
): fc.Arbitrary<ApiRequest> {
  const own = METHODS[operation.method] ?? 'GET';
  const parts = fc.record({
    method: often(fc.constant(own), fc.constantFrom(...OTHER_METHODS)),
    path: pathOf(operation, credentials),
    query: queryOf(operation, values),
    headers: often(fc.constant({}), fc.constantFrom(...HOSTILE_HEADERS)),
    authentication: authenticationOf(operation, credentials),
    content: contentOf(operation, values),
  });
  return parts.map(({ method, path, query, headers, authentication, content }) => ({
    method,
    target: query === '' ? path : `${path}?${query}`,
    isKeyed: authentication.isKeyed,
    headers: { ...headers, ...content.headers, ...authentication.headers },
    payload: content.payload,
  }));
}

function often<Value>(
  usual: fc.Arbitrary<Value>,
  unusual: fc.Arbitrary<Value>,
): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 7, arbitrary: usual }, { weight: 1, arbitrary: unusual });
}

function pathOf({ path }: Operation, credentials: Credentials): fc.Arbitrary<string> {
  if (!path.includes('{id}')) return fc.constant(path);
  const encoded = hostileText.filter(isEncodable).map((text) => encodeURIComponent(text));
  return often(
    fc.constantFrom(...knownIds(path, credentials)),
    fc.oneof(fc.constantFrom(...HOSTILE_SEGMENTS), encoded),
  ).map((id) => path.replace('{id}', () => id));
}

function knownIds(path: string, { keyIds, rootKeyId }: Credentials): readonly string[] {
  if (path.includes('/root-keys/')) return [rootKeyId];
  return path.includes('/api-keys/') ? keyIds : USER_IDS;
}

function queryOf({ parameters }: Operation, values: SchemaValues): fc.Arbitrary<string> {
  const named = parameters.filter((parameter) => parameter.in === 'query');
  const fields = Object.fromEntries(
    named.map(({ name, schema }) => [name, textOf(schema, values)]),
  );
  const known = fc.record(fields, { requiredKeys: [] }).map((query) => {
    const entries = Object.entries(query);
    return entries.map(([name, value = '']) => `${name}=${encodeURIComponent(value)}`).join('&');
  });
  return often(known, fc.constantFrom(...HOSTILE_QUERIES));
}

function textOf(schema: Schema, values: SchemaValues): fc.Arbitrary<string> {
  return values
    .of(schema)
    .map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
    .filter(isEncodable);
}

const isEncodable = (text: string) => !/\p{Surrogate}/u.test(text);

function authenticationOf(
  { security }: Operation,
  credentials: Credentials,
): fc.Arbitrary<Authentication> {
  const requiresToken = security.some((scheme) => 'accessToken' in scheme);
  return requiresToken ? tokens(credentials) : keys(credentials);
}

function keys({ rootKey, issuedKeys, badKeys }: Credentials): fc.Arbitrary<Authentication> {
  const bad: Authentication['headers'][] = [
    {},
    ...badKeys.map((key) => ({ 'x-api-key': key })),
    { 'x-api-key': [rootKey, rootKey] },
    { 'x-api-key': `${rootKey}, ${rootKey}` },
    { authorization: `Bearer ${rootKey}` },
    { cookie: `x-api-key=${rootKey}` },
  ];
  const withKey = (key: string): Authentication => ({
    headers: { 'x-api-key': key },
    isKeyed: true,
  });
  const refused = (headers: Authentication['headers']) => ({ headers, isKeyed: false });
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(withKey(rootKey)) },
    { weight: 2, arbitrary: fc.constantFrom(...issuedKeys).map(withKey) },
    { weight: 3, arbitrary: fc.constantFrom(...bad).map(refused) },
  );
}

function tokens({ accessTokens, badTokens, rootKey }: Credentials): fc.Arbitrary<Authentication> {
  const withToken = (token: string, isKeyed: boolean): Authentication => ({
    headers: { authorization: `Bearer ${token}` },
    isKeyed,
  });
  return fc.oneof(
    fc.constantFrom(...accessTokens).map((token) => withToken(token, true)),
    fc.constantFrom(...badTokens, rootKey).map((token) => withToken(token, false)),
    fc.constant<Authentication>({ headers: { 'x-api-key': rootKey }, isKeyed: false }),
  );
}

interface Content {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload?: string | undefined;
}

function contentOf({ requestBody }: Operation, values: SchemaValues): fc.Arbitrary<Content> {
  const json = { 'content-type': 'application/json' };
  const unexpected = fc
    .constantFrom(...HOSTILE_BODIES)
    .map((payload): Content => ({ headers: json, payload }));
  if (requestBody === undefined) return often(fc.constant<Content>({ headers: {} }), unexpected);
  const schema = requestBody.content['application/json'].schema;
  const fitting = values
    .of(schema)
    .map((value): Content => ({ headers: json, payload: JSON.stringify(value) }));
  const mislabelled = fc
    .tuple(fitting, fc.constantFrom(...CONTENT_TYPES))
    .map(([{ payload }, type]): Content => ({ payload, headers: { 'content-type': type } }));
  return often(fitting, fc.oneof(unexpected, mislabelled));
}
