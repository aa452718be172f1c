import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { hasUnexpectedContent, isMalformed } from './malformed-request.js';

interface Changes {
  readonly method?: string;
  readonly httpVersion?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly rawHeaders?: readonly string[];
}

function request({ headers = {}, rawHeaders = [], ...changes }: Changes): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  const base = { method: 'POST', httpVersion: '1.1' };
  message.headers = { host: 'localhost:3000', ...headers };
  message.rawHeaders = ['Host', 'localhost:3000', ...rawHeaders];
  return Object.assign(message, base, changes);
}

describe('isMalformed', () => {
  it.each<[string, Changes]>([
    ['a plain request', {}],
    ['HTTP/1.0', { httpVersion: '1.0' }],
    ['an IPv6 host', { headers: { host: '[::1]:3000' } }],
    ['a body in chunks', { headers: { 'transfer-encoding': 'Chunked' } }],
    ['a body', { headers: { 'content-length': '5' } }],
  ])('accepts %s', (_case, changes) => {
    expect(isMalformed(request(changes))).toBe(false);
  });

  it.each<[string, Changes]>([
    ['HTTP/0.9', { httpVersion: '0.9' }],
    ['HTTP/2.0 in a request line', { httpVersion: '2.0' }],
    ['a second Host', { rawHeaders: ['hOST', 'other'] }],
    ['an empty host', { headers: { host: '' } }],
    ['a host with a path', { headers: { host: 'a/b' } }],
    ['a host with a user', { headers: { host: 'a@b' } }],
    ['chunks in HTTP/1.0', { httpVersion: '1.0', headers: { 'transfer-encoding': 'chunked' } }],
    ['the codings gzip and chunked', { headers: { 'transfer-encoding': 'gzip, chunked' } }],
    ['the coding chunked twice', { headers: { 'transfer-encoding': 'chunked, chunked' } }],
  ])('detects %s', (_case, changes) => {
    expect(isMalformed(request(changes))).toBe(true);
  });
});

describe('hasUnexpectedContent', () => {
  it.each<[string, Changes, boolean]>([
    ['accepts a POST with content', { headers: { 'content-length': '5' } }, false],
    ['accepts an empty GET', { method: 'GET', headers: { 'content-length': '0' } }, false],
    ['detects a GET with content', { method: 'GET', headers: { 'content-length': '5' } }, true],
    [
      'detects a HEAD with chunks',
      { method: 'HEAD', headers: { 'transfer-encoding': 'chunked' } },
      true,
    ],
  ])('%s', (_case, changes, expected) => {
    expect(hasUnexpectedContent(request(changes))).toBe(expected);
  });
});
