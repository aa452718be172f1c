import { once } from 'node:events';
import { type RequestListener, createServer as createHttpServer } from 'node:http';
import { type Server, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createBackendHttp } from './backend-http.js';

let server: Server | undefined;
afterEach(() => void server?.close());

async function listen(started: Server): Promise<string> {
  server = started.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The server is not listening');
  return `127.0.0.1:${address.port}`;
}

const connect = (url: string, timeoutMs = 1000) =>
  createBackendHttp({ BACKEND_API_URL: url, BACKEND_CONNECT_TIMEOUT_MS: timeoutMs });

const serve = async (listener: RequestListener) =>
  `http://${await listen(createHttpServer(listener))}`;

describe('createBackendHttp', () => {
  it('applies the connect time-out to the TLS handshake too', async () => {
    // The server accepts connections and never completes the TLS handshake.
    const host = await listen(createServer());
    const http = connect(`https://${host}`, 100);
    const startedAt = performance.now();
    await expect(http.axiosRef.get('/')).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it('refuses an absolute URL', async () => {
    const http = connect('http://127.0.0.1:1');
    const request = http.axiosRef.get('http://127.0.0.1:2/');
    await expect(request).rejects.toThrow('The URL of a backend request must be a path');
  });

  it('prepends the base URL to every path, even to //elsewhere.example/', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve(({ url: path }, response) => {
      seen.push(path);
      response.end('text');
    });
    const http = connect(`${url}/base/`);
    expect((await http.axiosRef.get('/users')).data).toBe('text');
    await http.axiosRef.get('//elsewhere.example/');
    expect(seen).toEqual(['/base/users', '/base//elsewhere.example/']);
  });

  it('rejects a response of more than 256 KiB', async () => {
    const url = await serve((_request, response) => {
      response.write('x'.repeat(200_000));
      response.end('x'.repeat(200_000));
    });
    const request = connect(url).axiosRef.get('/');
    await expect(request).rejects.toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
  });

  it('closes the connection when the signal aborts', async () => {
    let hungUp = () => {};
    const closed = new Promise<void>((resolve) => (hungUp = resolve));
    const caller = new AbortController();
    const url = await serve((_request, response) => {
      response.on('close', hungUp);
      caller.abort();
    });
    const request = connect(url).axiosRef.get('/', { signal: caller.signal });
    await expect(request).rejects.toThrow('canceled');
    await closed;
  });
});
