import fc from 'fast-check';
import type { Sent } from './contract.js';
import { USER_IDS } from './schema-values.js';

/** A request as raw bytes (one character per byte), and how the server must interpret them. */
export interface RawRequest extends Sent {
  readonly bytes: string;
}

const PATHS = [
  '/api/internal/users',
  '/api/internal/users/u0',
  '/api/internal/users/u1/accounts',
  '/api/internal/users/search',
  '/api/internal/api-keys',
  '/api/internal/root-keys',
  '/api/auth/me',
  '/api/health',
  '/api/health/live',
  '/api/docs',
  '/metrics',
  '/',
];

const indexIn = (length: number, at: number) => at % Math.max(1, length);
const encode = (text: string) => `%${text.charCodeAt(0).toString(16).padStart(2, '0')}`;
const around = (path: string, at: number, inserted: string) =>
  path.slice(0, indexIn(path.length, at) + 1) + inserted + path.slice(indexIn(path.length, at) + 1);

/** Each function changes a path into another path that some servers treat as equal. */
const DISGUISES: readonly ((path: string, at: number) => string)[] = [
  (path, at) => path.replace(path[indexIn(path.length, at)] ?? '/', encode),
  (path, at) =>
    path.replace(path[indexIn(path.length, at)] ?? '/', (text) => encode(text).toUpperCase()),
  (path) => path.replaceAll('%', '%25'),
  (path) => path.replace('/internal', '%2finternal'),
  (path) => path.replaceAll('/', '//'),
  (path) => path.replaceAll('/', '\\'),
  (path) => path.replaceAll('/', '/./'),
  (path) => path.replaceAll('/', '%5c'),
  (path) => path.toUpperCase(),
  (path) => `${path}/`,
  (path) => `${path}/.`,
  (path) => `${path}/..`,
  (path) => `${path};a=b`,
  (path) => `${path}.json`,
  (path) => `${path}?`,
  (path) => `${path}#`,
  (path) => `${path}%00`,
  (path) => `${path}%20`,
  (path) => `${path}%09`,
  (path) => `${path}%0d%0aX-API-Key:%20a`,
  (path) => `${path}?x-api-key=a`,
  (path) => `/api/health/..${path}`,
  (path) => `/api/health/live/../..${path.replace('/api', '')}`,
  (path) => `/api/health/..;${path}`,
  (path) => `/api/health/%2e%2e/%2e%2e${path}`,
  (path) => `/api/health;${path}`,
  (path) => `/api/health?${path}`,
  (path) => `/api/health#${path}`,
  (path) => `/${path}`,
  (path) => `/.${path}`,
  (path) => path.slice(1),
  (path) => `http://localhost${path}`,
  (path) => `HTTP://LOCALHOST${path}`,
  (path) => `https://a:b@c:1${path}`,
  (path) => `http://localhost?${path}`,
  (path) => `http:${path}`,
  (path) => `//localhost${path}`,
  (path) => `file://${path}`,
  () => '*',
  () => 'localhost:80',
  () => '',
  (path, at) => around(path, at, '\u0080'),
  (path, at) => around(path, at, '\u00ff'),
  (path, at) => around(path, at, '%c0%af'),
  (path, at) => around(path, at, '%u002f'),
  (path, at) => around(path, at, '%'),
  (path, at) => around(path, at, '\0'),
  (path, at) => around(path, at, '\t'),
  (path, at) => around(path, at, 'x'.repeat(9000)),
];

/** An array of no, one or two values. */
function oftenNone<Value>(each: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> {
  return fc.oneof<fc.MaybeWeightedArbitrary<Value[]>[]>(
    { weight: 3, arbitrary: fc.constant<Value[]>([]) },
    { weight: 3, arbitrary: fc.tuple(each) },
    { weight: 1, arbitrary: fc.tuple(each, each) },
  );
}

const targets = fc
  .tuple(fc.constantFrom(...PATHS), oftenNone(fc.tuple(fc.constantFrom(...DISGUISES), fc.nat(60))))
  .map(([path, disguises]) =>
    disguises.reduce((disguised, [disguise, at]) => disguise(disguised, at), path),
  );

const methods = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'TRACE', 'PROPFIND', 'QUERY', 'CONNECT'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'get',
      'GETT',
      'G',
      '',
      'GET\t',
      ' GET',
      'G\0T',
      'PRI',
      'X'.repeat(99),
    ),
  },
);

const versions = fc.oneof(
  { weight: 19, arbitrary: fc.constant('HTTP/1.1') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'HTTP/1.0',
      'HTTP/0.9',
      'HTTP/1.2',
      'HTTP/2.0',
      'http/1.1',
      'HTTP/1.1 ',
      'HTTP/1.1x',
      'ICE/1.1',
      '',
    ),
  },
);

/** Well-formed header lines that do not present a valid key. */
const falseKeys = (key: string) => [
  `X-API-Key: ${key}\r\nX-API-Key: ${key}`,
  `X-API-Key: ${key}\r\nx-api-key: wrong`,
  `X-API-Key:\r\nX-API-Key: ${key}`,
  `X-API-Key: ${key},`,
  `X-API-Key: "${key}"`,
  `X-API-Key: ${key}\u00a0`,
  `X-API-Key: ${key} ${key}`,
  `X-API-Key: ${key.toUpperCase()}`,
  `X_API_Key: ${key}`,
  `Authorization: Bearer ${key}`,
  `Authorization: ApiKey ${key}`,
  `Cookie: X-API-Key=${key}`,
  'Trailer: X-API-Key',
  'Connection: X-API-Key',
  'X-Forwarded-For: 127.0.0.1',
  'X: a',
];

/** Malformed header lines that contain a valid key. */
const brokenKeys = (key: string) => [
  `X-API-Key: ${key}\0`,
  `X-API-Key : ${key}`,
  `X-API-Key\t: ${key}`,
  `X-API-Key\0: ${key}`,
  `X-API-Key:\r\n ${key}`,
  ` X-API-Key: ${key}`,
  `X: a\r\n\tX-API-Key: ${key}`,
  `X: a\nX-API-Key: ${key}`,
  `X: a\rX-API-Key: ${key}`,
  `X-API-Key; ${key}`,
  `X-API-Key ${key}`,
  `: ${key}`,
];

const HEADERS = [
  'Connection: keep-alive',
  'Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Expect: 100-continue',
  'Expect: more',
  'Host: other',
  'Host:',
  'X-HTTP-Method-Override: GET',
  'X-Original-URL: /api/health',
  'X-Rewrite-URL: /api/health',
  'X-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\nForwarded: for=127.0.0.1',
  'X-Request-Id: \u00e9\u0001',
  'X-Request-Id: a\r\nX-Request-Id: b',
  `X: ${'x'.repeat(17_000)}`,
  'x:1\r\n'.repeat(500) + 'x:1',
  'x:1\r\n'.repeat(4000) + 'x:1',
  '\u00e9: 1',
  'a b: 1',
  'Content-Type: text/plain',
  'Accept: */*;q=x',
  'Transfer-Encoding: chunked\r\nTrailer: X-API-Key',
  'Content-Length: 0',
  'Content-Length: 2',
  'Content-Encoding: gzip',
];

const NO_CONTENT = { head: '', body: '' };

const contents = fc.oneof(
  fc.constant(NO_CONTENT),
  fc.string({ unit: 'binary-ascii', maxLength: 60 }).map(withLength),
  fc.json({ maxDepth: 2 }).map((text) => withLength(Buffer.from(text).toString('latin1'))),
  fc.constantFrom(...USER_IDS).map((id) => withLength(`{"email":"${id}@example.com","name":"A"}`)),
);

function withLength(body: string): typeof NO_CONTENT {
  const head = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  return { head, body };
}

/** A chunked body with a key in its trailer. */
const trailerOf = (key: string) => `0\r\nX-API-Key: ${key}\r\n\r\n`;

/**
 * Requests in forms that another parser may interpret differently. None of them presents a valid
 * key in the way that the backend requires.
 */
export function unkeyedRequests(key: string): fc.Arbitrary<RawRequest> {
  const keys = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...falseKeys(key)) },
    { weight: 1, arbitrary: fc.constantFrom(...brokenKeys(key)) },
  );
  return rawRequests(keys, trailerOf(key), false);
}

/** Requests in the forms of `unkeyedRequests`, but each with a valid key. */
export function keyedRequests(key: string): fc.Arbitrary<RawRequest> {
  return rawRequests(fc.constant(`X-API-Key: ${key}`), '0\r\n\r\n', true);
}

function rawRequests(
  keys: fc.Arbitrary<string>,
  chunked: string,
  isKeyed: boolean,
): fc.Arbitrary<RawRequest> {
  const parts = fc.record({
    method: methods,
    target: targets,
    version: versions,
    key: keys,
    headers: oftenNone(fc.constantFrom(...HEADERS)),
    content: contents,
    hasContentAnyway: fc.nat(9).map((number) => number === 0),
  });
  return parts.map(({ method, target, version, key, headers, content, hasContentAnyway }) => {
    const hasContent = hasContentAnyway || !/^(GET|HEAD)$/.test(method);
    const { head, body } = withFraming(headers, hasContent ? content : NO_CONTENT, chunked);
    const lines = [`${method} ${target} ${version}`, 'Host: localhost', ...headers, key];
    const bytes = `${lines.join('\r\n')}\r\n${head}Connection: close\r\n\r\n${body}`;
    return { method, target, isKeyed, bytes };
  });
}

function withFraming(
  headers: readonly string[],
  content: typeof NO_CONTENT,
  chunked: string,
): typeof NO_CONTENT {
  const isChunked = headers.some((header) => header.startsWith('Transfer-Encoding'));
  return isChunked ? { head: 'Content-Type: application/json\r\n', body: chunked } : content;
}
