import type { IncomingMessage } from 'node:http';
import { parseHost } from './host.js';

/**
 * Returns whether a request violates RFC 9110 or RFC 9112, although Node's parser accepts it. A
 * proxy may read the request differently, and treat a part of it as another request (request
 * smuggling).
 */
export function isMalformed(request: IncomingMessage): boolean {
  return hasOtherVersion(request) || hasBadHost(request) || hasBadCoding(request);
}

/**
 * Returns whether a GET or HEAD request has content. No handler reads content of such requests, and
 * a proxy may treat the content as another request (RFC 9110 section 9.3.1).
 */
export function hasUnexpectedContent({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Node accepts HTTP versions 0.9 and 2.0 in a request line and parses the request as 1.x. */
function hasOtherVersion({ httpVersion }: IncomingMessage): boolean {
  return httpVersion !== '1.1' && httpVersion !== '1.0';
}

function hasBadHost({ headers: { host }, httpVersion, rawHeaders }: IncomingMessage): boolean {
  if (host === undefined) return httpVersion === '1.1';
  return parseHost(host) === undefined || repeatsHost(rawHeaders);
}

/** Looks at the raw headers, because Node keeps only the first Host field. */
function repeatsHost(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

function hasBadCoding({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return false;
  return httpVersion === '1.0' || coding.toLowerCase() !== 'chunked';
}
