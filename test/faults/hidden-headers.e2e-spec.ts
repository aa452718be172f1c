import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMcp } from '../../mcp-server/test/support/servers.js';
import { exchange } from '../chaos/support/raw-exchange.js';
import { useApp, withKey } from '../support/app.js';
import { issueKey } from '../support/keys.js';
import {
  DROPPED_AFTER,
  HIDDEN_FIELDS,
  hidingRequest,
  padding,
} from '../support/padded-requests.js';
import { hasProgram } from '../support/programs.js';
import { type ReverseProxy, startGoProxy, startHaproxy } from '../support/reverse-proxies.js';
import type { ServerProcess } from '../support/server-process.js';

const PROXIES = [
  { name: 'HAProxy', program: 'haproxy', start: startHaproxy },
  { name: 'the ReverseProxy of Go', program: 'go', start: startGoProxy },
];
const USER = '/api/internal/users/ada';
const LIVE = '/health/live';
const NO_FIELD = { field: 'A:', content: '' };
// The statuses with which the proxy or the server refuses a request.
const REFUSALS = new Set([400, 422, 431, 501]);

// The server's parser may drop fields after the 1,000th. The proxy in Go sorts the fields by name,
// so the number and the names of the padding fields determine which fields follow the 1,000th.
const PADDINGS = [
  ...Array.from({ length: 12 }, (_, index) => padding(990 + index)),
  padding(DROPPED_AFTER),
  padding(DROPPED_AFTER, 'X-B'),
];

const app = useApp({ TRUSTED_PROXIES: '127.0.0.1' });

let mcp: ServerProcess;
/** A key without a network limit. */
let key: string;
/** A key limited to the address of the proxy. */
let keyForProxyAddress: string;
/** A key limited to the network of the address that the client claims in X-Forwarded-For. */
let keyForClaimedAddress: string;
beforeAll(async () => {
  mcp = await startMcp({ BACKEND_API_URL: app.url, TRUSTED_PROXIES: '127.0.0.1' });
  const ada = { id: 'ada', email: 'ada@example.com', name: 'Ada Lovelace' };
  await withKey(app.url).post('/api/internal/users').send(ada).expect(201);
  ({ secret: key } = await issueKey(app.url));
  ({ secret: keyForProxyAddress } = await issueKey(app.url, { networks: ['127.0.0.1/32'] }));
  ({ secret: keyForClaimedAddress } = await issueKey(app.url, { networks: ['10.0.0.0/8'] }));
});
afterAll(() => mcp.stop());

/** Sends a request from 127.0.0.2. The servers trust only 127.0.0.1, the address of the proxy. */
async function statusesOf(port: number, bytes: string): Promise<number[]> {
  const { responses } = await exchange(port, bytes, '127.0.0.2');
  return responses.map(({ status }) => status);
}

/** Sends a request with each of the paddings. Resolves to the distinct statuses. */
async function statusesWithPaddings(
  port: number,
  request: (padded: readonly string[]) => string,
): Promise<Set<number>> {
  const statuses = await Promise.all(PADDINGS.map((each) => statusesOf(port, request(each))));
  return new Set(statuses.flat());
}

for (const { name, program, start } of PROXIES) {
  describe.skipIf(!hasProgram(program))(`too many header fields through ${name}`, () => {
    let backendProxy: ReverseProxy;
    let mcpProxy: ReverseProxy;
    beforeAll(async () => {
      backendProxy = await start(new URL(app.url));
      mcpProxy = await start(mcp.url);
    });
    afterAll(async () => {
      await backendProxy.stop();
      await mcpProxy.stop();
    });

    it('are refused by the backend and by the MCP server', async () => {
      const fields = [`X-API-Key: ${key}`];
      const user = (padded: readonly string[]) => hidingRequest(USER, fields, padded, NO_FIELD);
      expect(await statusesOf(backendProxy.port, user([]))).toEqual([200]);
      expect(await statusesWithPaddings(backendProxy.port, user)).toEqual(new Set([431]));
      const live = (padded: readonly string[]) => hidingRequest(LIVE, [], padded, NO_FIELD);
      expect(await statusesOf(mcpProxy.port, live([]))).toEqual([200]);
      expect(await statusesWithPaddings(mcpProxy.port, live)).toEqual(new Set([431]));
    });

    it.each([
      ['the client claims', () => keyForClaimedAddress],
      ['the proxy has', () => keyForProxyAddress],
    ])('do not let a client use a key limited to the address that %s', async (_case, secret) => {
      const fields = [`X-API-Key: ${secret()}`, 'X-Forwarded-For: 10.1.2.3'];
      const request = (padded: readonly string[]) => hidingRequest(USER, fields, padded, NO_FIELD);
      expect(await statusesOf(backendProxy.port, request([]))).toEqual([401]);
      expect(await statusesWithPaddings(backendProxy.port, request)).toEqual(new Set([431]));
    });

    it('do not hide a second X-API-Key from the backend', async () => {
      const wrong = { field: 'X-API-Key: wrong', content: '' };
      const request = (padded: readonly string[]) =>
        hidingRequest(USER, [`X-API-Key: ${key}`], padded, wrong);
      expect(await statusesOf(backendProxy.port, request([]))).toEqual([401]);
      expect(await statusesWithPaddings(backendProxy.port, request)).toEqual(new Set([431]));
    });

    it.each(HIDDEN_FIELDS)('do not hide $title', async (hidden) => {
      const user = (padded: readonly string[]) =>
        hidingRequest(USER, [`X-API-Key: ${key}`], padded, hidden);
      const live = (padded: readonly string[]) => hidingRequest(LIVE, [], padded, hidden);
      const statuses = [
        ...(await statusesWithPaddings(backendProxy.port, user)),
        ...(await statusesWithPaddings(mcpProxy.port, live)),
      ];
      expect(statuses.length).toBeGreaterThan(0);
      expect(statuses.filter((status) => !REFUSALS.has(status))).toEqual([]);
    });
  });
}
