import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';

const TIMEOUT_MS = 5000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** An alert was not confirmed; says why in few words, never the receiver's URL, which may be a secret. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
}

/** The receiver of alerts: `ALERT_WEBHOOK_URL`, if it is set. */
@Injectable()
export class Webhook {
  private readonly url: string | undefined;
  private readonly secret: string | undefined;

  constructor(config: ConfigService<Environment, true>) {
    this.url = config.get('ALERT_WEBHOOK_URL', { infer: true });
    this.secret = config.get('ALERT_WEBHOOK_SECRET', { infer: true });
  }

  get isSet(): boolean {
    return this.url !== undefined;
  }

  /** Resolves when the receiver has confirmed the alert with any 2xx. @throws DeliveryError, also when it is left */
  async send(body: string, left: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    // Loaded here: most processes send no alert, and a start would take longer.
    const { default: axios } = await import('axios');
    try {
      const { status } = await axios.request<string>({
        method: 'POST',
        url: this.url,
        data: body,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'latchkey',
          ...this.signature(body),
        },
        signal: AbortSignal.any([left, limit]),
        maxRedirects: 0,
        maxContentLength: MAX_ANSWER_BYTES,
        responseType: 'text',
        validateStatus: () => true,
      });
      if (status < 200 || status > 299) throw new DeliveryError(`status ${status}`);
    } catch (error) {
      if (error instanceof DeliveryError) throw error;
      // To ask it keeps it: Node 20 forgets a time-out that only `AbortSignal.any` knows (nodejs/node#57736).
      if (limit.aborted) throw new DeliveryError('no answer in time');
      // A new error: axios's own one holds the URL.
      throw new DeliveryError((axios.isAxiosError(error) && error.code) || 'no answer');
    }
  }

  private signature(body: string): Record<string, string> {
    if (this.secret === undefined) return {};
    const seconds = Math.floor(Date.now() / 1000);
    return { 'x-latchkey-signature': sign(this.secret, seconds, body) };
  }
}

/**
 * `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of the time, a dot, and the body, so that the receiver can refuse what is
 * forged or was recorded.
 */
function sign(secret: string, seconds: number, body: string): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${digest}`;
}
