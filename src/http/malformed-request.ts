import type { IncomingMessage } from 'node:http';

// RFC 3986: a host and a port.
const HOST = /^[\w\-.~%!$&'()*+,;=:[\]]*$/;

/**
 * Tells what RFC 9112 has a server refuse and Node's parser lets pass: a server in front may read it otherwise, and take a
 * part of it for another request.
 */
export function isMalformed(request: IncomingMessage): boolean {
  return hasOtherVersion(request) || hasBadHost(request) || hasBadFraming(request);
}

/** Node takes 0.9 and 2.0 for what they are not. */
function hasOtherVersion({ httpVersion }: IncomingMessage): boolean {
  return httpVersion !== '1.1' && httpVersion !== '1.0';
}

function hasBadHost({ headers: { host }, httpVersion, rawHeaders }: IncomingMessage): boolean {
  if (host === undefined) return httpVersion === '1.1';
  return !HOST.test(host) || repeatsHost(rawHeaders);
}

/** Node keeps the first one and tells nobody of the others. */
function repeatsHost(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

function hasBadFraming({ method, headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (httpVersion === '1.0' || coding.toLowerCase() !== 'chunked'))
    return true;
  // Nobody reads the content of these, so that they would be answered before it is known whether it has an end.
  if (method !== 'GET' && method !== 'HEAD') return false;
  return coding !== undefined || (headers['content-length'] ?? '0') !== '0';
}
