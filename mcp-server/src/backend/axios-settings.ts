import type { CreateAxiosDefaults } from 'axios';
import { createAgent } from './connect-timeout.js';

const MAX_ANSWER_BYTES = 256 * 1024;

/** Settings that keep the key on its way to the backend and the answers small. */
export function axiosSettings(url: string, connectTimeoutMs: number): CreateAxiosDefaults {
  const agent = createAgent(new URL(url).protocol, connectTimeoutMs);
  return {
    baseURL: url,
    allowAbsoluteUrls: false,
    maxRedirects: 0,
    // Else HTTP_PROXY and the like would send the key to another host.
    proxy: false,
    adapter: 'http',
    httpAgent: agent,
    httpsAgent: agent,
    headers: {
      accept: 'application/json',
      // Compressed, a small answer could unfold into a huge one.
      'accept-encoding': 'identity',
      'user-agent': 'latchkey-mcp',
    },
    decompress: false,
    maxContentLength: MAX_ANSWER_BYTES,
    responseType: 'text',
    transformResponse: (text: unknown) => text,
    validateStatus: () => true,
  };
}
