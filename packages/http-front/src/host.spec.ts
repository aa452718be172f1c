import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHost } from './host.js';

describe('parseHost', () => {
  it.each([
    ['localhost', 'localhost'],
    ['LocalHost:3000', 'localhost'],
    ['mcp.example.', 'mcp.example.'],
    ["a_b-c~1!$&'()*+;=", "a_b-c~1!$&'()*+;="],
    ['%6Cocalhost', '%6cocalhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1:0', '127.0.0.1'],
    ['localhost:', 'localhost'],
    ['localhost:65535', 'localhost'],
    ['localhost:00080', 'localhost'],
    ['[::1]', '[::1]'],
    ['[::1]:3000', '[::1]'],
    ['[0:0:0:0:0:0:0:1]:3000', '[::1]'],
    ['[2001:DB8::A]', '[2001:db8::a]'],
    ['[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ])('accepts %s', (value, host) => {
    expect(parseHost(value)).toBe(host);
  });

  it.each([
    '',
    ' ',
    ':80',
    'localhost ',
    ' localhost',
    'local host',
    'localhost\t',
    'localhost\n',
    'localhost\0',
    'localhost#.evil.com',
    'localhost?.evil.com',
    'localhost/evil',
    'localhost\\evil',
    'user@localhost',
    'user:password@localhost',
    'http://localhost',
    'localhost,evil.com',
    'localhost, localhost',
    'localhost:port',
    'localhost:-1',
    'localhost:+80',
    'localhost:8o',
    'localhost:65536',
    'localhost:99999999999999999999',
    'localhost:80:80',
    '%',
    '%6',
    '%zz',
    'lo%host',
    'löcalhost',
    '<localhost>',
    '"localhost"',
    'local^host',
    'local|host',
    '{localhost}',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[]:80',
    '[[::1]]',
    '[::1]x',
    '[::1].evil.com',
    'x[::1]',
    '[::1]:65536',
    '[:::1]',
    '[1]',
    '[127.0.0.1]',
    '[::127.0.0.256]',
    '[1:2:3:4:5:6:7:8:9]',
    '[fe80::1%eth0]',
    '[fe80::1%25eth0]',
    '[v1.fe80::a]',
    '[localhost]',
  ])('refuses %j', (value) => {
    expect(parseHost(value)).toBeUndefined();
  });

  const names = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,8}){0,3}$/);
  const hosts = fc.oneof(
    names,
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
  );
  const ports = fc.option(fc.nat(65_535), { nil: undefined });

  it('returns the host of a value with any port or without a port', () => {
    fc.assert(
      fc.property(hosts, ports, (host, port) => {
        const value = port === undefined ? host : `${host}:${port}`;
        const expected = host.startsWith('[') ? new URL(`http://${host}`).hostname : host;
        expect(parseHost(value.toUpperCase())).toBe(expected);
      }),
    );
  });

  it('returns a host only if the value is this host, optionally with a port', () => {
    const hostPieces = ['localhost', 'evil.com', '127.0.0.1', '::1', '[', ']', '[::1]', ':', '80'];
    const otherPieces = ['@', '/', '#', '?', '\\', ',', ' ', '%', '%00', '.', '\0'];
    const pieces = fc.constantFrom(...hostPieces, ...otherPieces);
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
        const value = parts.join('');
        const host = parseHost(value);
        if (host === undefined) return;
        const rest = host.startsWith('[')
          ? value.slice(value.indexOf(']') + 1)
          : value.slice(host.length);
        // The canonical form of an IPv6 address may differ from the value, so only "[" is compared.
        expect(value.startsWith(host.startsWith('[') ? '[' : host)).toBe(true);
        expect(rest).toMatch(/^(:\d*)?$/);
      }),
      { numRuns: 5000 },
    );
  });
});
