import fc from 'fast-check';
import type { RawRequest } from './raw-requests.js';

type Line = readonly [method: string, target: string];

const LINES: readonly Line[] = [
  ['GET', '/api/internal/users/u0'],
  ['GET', '/api/internal/users?limit=1'],
  ['HEAD', '/api/internal/users/u0'],
  ['GET', '/api/internal/users/u0/accounts'],
  ['POST', '/api/internal/users'],
  ['POST', '/api/internal/users/search'],
  ['PATCH', '/api/internal/users/u0'],
  ['DELETE', '/api/internal/users/u1'],
  ['GET', '/%zz'],
];
const JSON_BODY = '{"email":"u0@example.com"}';
const CHUNKED = `${JSON_BODY.length.toString(16)}\r\n${JSON_BODY}\r\n0\r\n\r\n`;
const TE = 'Transfer-Encoding: chunked';
const CL = `Content-Length: ${JSON_BODY.length}`;

/** Header lines that make the end of the body ambiguous, or are invalid for another reason. */
const AMBIGUOUS_FRAMING = [
  `${CL}\r\n${TE}`,
  `${TE}\r\n${CL}`,
  `Content-Length: 0\r\n${TE}`,
  `${TE}\r\ncontent-length: 6`,
  `${CL}\r\nTransfer-Encoding: identity`,
  `${CL}\r\nContent-Length: 0`,
  `Content-Length: 0\r\n${CL}`,
  `${CL}\r\n${CL}`,
  `${CL}\r\ncontent-length: 1`,
  'Content-Length: 26, 26',
  'Content-Length: 26,0',
  'Content-Length: +26',
  'Content-Length: -1',
  'Content-Length: 0x1a',
  'Content-Length: 2 6',
  'Content-Length: 26;',
  'Content-Length: 2_6',
  'Content-Length: 26.0',
  'Content-Length: 1e1',
  'Content-Length: \u00b2',
  'Content-Length: "26"',
  'Content-Length: 99999999999999999999',
  'Content-Length: 18446744073709551642',
  'Content-Length:',
  'Content-Length: a',
  'Content-Length : 26',
  'Content-Length\t: 26',
  'Content-Length\0: 26',
  'Content-Length: 26\0',
  'X: a\nContent-Length: 26',
  'X: a\rContent-Length: 26',
  'X: a\r\n Content-Length: 26',
  'Content-Length:\r\n 26',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked, ',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunk',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: \x0cchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: chunked\0',
  'Transfer-Encoding:',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  `${TE}\r\n${TE}`,
  `${TE}\r\nTransfer-Encoding: identity`,
  `Transfer-Encoding: identity\r\n${TE}`,
  `${TE}\r\nTransfer-Encoding: cow`,
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer-Encoding\0: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: chun\r\n ked',
  'X: a\nTransfer-Encoding: chunked',
  'X: a\rTransfer-Encoding: chunked',
  'X: a\r\n Transfer-Encoding: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding chunked',
  ': chunked',
  `${CL}\r\nExpect: more`,
  `${TE}\r\nExpect: more`,
  'Host: other',
  'Host: localhost',
];

/** Chunked bodies whose end depends on the parser. */
const BAD_CHUNKS = [
  `-1\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `+1a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `0x1a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  ` 1a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1 a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1g\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `;a=b\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a\r${JSON_BODY}\r\n0\r\n\r\n`,
  `1a;\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a;a\nb\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a\0\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a\r\n${JSON_BODY}0\r\n\r\n`,
  `1a\r\n${JSON_BODY}\n0\r\n\r\n`,
  `1a\r\n${JSON_BODY}\r0\r\n\r\n`,
  `1a\r\n${JSON_BODY}xx0\r\n\r\n`,
  `19\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `10000000000000001a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `ffffffffffffffffff\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a,1a\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `\u00b9\r\n${JSON_BODY}\r\n0\r\n\r\n`,
  `1a\r\n${JSON_BODY}\r\n0\r\nX : a\r\n\r\n`,
  `1a\r\n${JSON_BODY}\r\n0\r\nX\0: a\r\n\r\n`,
  `1a\r\n${JSON_BODY}\r\n0\r\n X: a\r\n\r\n`,
];

/**
 * Malformed request lines. RFC 9112 permits servers to accept several spaces between the parts, so
 * the list contains no such lines.
 */
const BAD_LINES: readonly ((line: Line) => string)[] = [
  ([method, target]) => `${method}\t${target}\tHTTP/1.1`,
  ([method, target]) => `${method} ${target}\tHTTP/1.1`,
  ([method, target]) => `${method} ${target} x HTTP/1.1`,
  ([method, target]) => `${method} ${target}\0 HTTP/1.1`,
  ([method, target]) => `${method} ${target}\x0b HTTP/1.1`,
  ([method, target]) => `${method} ${target} HTTP/1.1 `,
  ([method, target]) => `${method} ${target} HTTP/1.1x`,
  ([method, target]) => `${method} ${target} HTTP/1`,
  ([method, target]) => `${method} ${target} HTTP/01.1`,
  ([method, target]) => `${method} ${target} HTTP/1.01`,
  ([method, target]) => `${method} ${target} HTTP/2.0`,
  ([method, target]) => `${method} ${target} HTTP/0.9`,
  ([method, target]) => `${method} ${target} HTTP/1.2`,
  ([method, target]) => `${method} ${target} HTTP 1.1`,
  ([method, target]) => `${method} ${target} http/1.1`,
  ([method, target]) => `${method.toLowerCase()} ${target} HTTP/1.1`,
  ([method, target]) => ` ${method} ${target} HTTP/1.1`,
  ([method, target]) => `${method}: ${target} HTTP/1.1`,
  ([, target]) => `${target} HTTP/1.1`,
  ([method, target]) => `${method} ${target.slice(1)} HTTP/1.1`,
];

/** Each function changes the line ends, the Host or the HTTP version of a valid head. */
const BAD_HEADS: readonly ((head: string) => string)[] = [
  (head) => head.replaceAll('\r\n', '\n'),
  (head) => head.replaceAll('\r\n', '\r'),
  (head) => head.replaceAll('\r\n', '\n\r'),
  (head) => head.replaceAll('\r\n', '\r\r\n'),
  (head) => head.replace('\r\n', '\n'),
  (head) => head.replace('\r\n', '\r'),
  (head) => head.replace('\r\n', '\r\n '),
  (head) => head.replace(/\r\n\r\n$/, '\n\n'),
  (head) => head.replace(/\r\n\r\n$/, '\r\n\n'),
  (head) => head.replace(/\r\n\r\n$/, '\n\r\n'),
  (head) => head.replace(/\r\n\r\n$/, '\r\r'),
  (head) => head.replace('Host: localhost\r\n', ''),
  (head) => head.replace('Host: localhost', 'Host localhost'),
  (head) => head.replace('Host: localhost', 'Host: local\0host'),
  (head) => head.replace('Host: localhost', 'Host: a/b@c'),
  (head) => head.replace('Host: localhost', 'Host: a b'),
  (head) => head.replace('Host: localhost', 'Host : localhost'),
  (head) => head.replace('HTTP/1.1', 'HTTP/1.0'),
];

/** A request that a proxy may treat as part of the preceding request. */
function smuggled(key: string): string {
  return `GET /api/internal/users/u2 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}\r\n\r\n`;
}

/** Requests that two servers may delimit or interpret differently. Each has a valid key. */
export function smugglingRequests(key: string): fc.Arbitrary<RawRequest> {
  const forms = fc.constantFrom(...LINES).chain((line) => formsOf(line, key));
  const withNext = fc.tuple(forms, fc.constantFrom('', smuggled(key)));
  return withNext.map(([{ method, target, isKeyed, bytes }, next]) => ({
    method,
    target,
    isKeyed,
    bytes: bytes + next,
  }));
}

function formsOf(line: Line, key: string): fc.Arbitrary<RawRequest> {
  const [method, target] = line;
  const head = (first: string, framing: string) =>
    [
      first,
      'Host: localhost',
      'Content-Type: application/json',
      `X-API-Key: ${key}`,
      framing,
      '',
      '',
    ].join('\r\n');
  const first = `${method} ${target} HTTP/1.1`;
  const bytes = fc.oneof(
    fc
      .tuple(
        fc.constantFrom(...AMBIGUOUS_FRAMING),
        fc.constantFrom(CHUNKED, JSON_BODY, '0\r\n\r\n'),
      )
      .map(([framing, body]) => head(first, framing) + body),
    fc.constantFrom(...BAD_CHUNKS).map((chunks) => head(first, TE) + chunks),
    fc.constantFrom(...BAD_LINES).map((bad) => head(bad(line), CL) + JSON_BODY),
    fc.constantFrom(...BAD_HEADS).map((bad) => bad(head(first, TE)) + CHUNKED),
  );
  return bytes.map((text) => ({ method, target, isKeyed: true, bytes: text }));
}
