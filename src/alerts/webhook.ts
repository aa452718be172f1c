import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/environment.js';

const TIMEOUT_MS = 5000;
const MAX_RESPONSE_BYTES = 64 * 1024;

/** The receiver did not confirm an alert. The message omits the URL, which may contain a secret. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
}

/** Sends alerts to `ALERT_WEBHOOK_URL`, if it is set. */
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

  /** Sends an alert. @throws DeliveryError if no 2xx response arrives within 5 s */
  async send(body: string, shutdown: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    // Loaded here, because most processes never send an alert.
    const { default: axios } = await import('axios');
    try {
      const { status } = await axios.request<string>({
        method: 'POST',
        url: this.url,
        data: body,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'latchkey',
          ...(this.secret !== undefined && {
            'x-latchkey-signature': sign(body, this.secret, Math.floor(Date.now() / 1000)),
          }),
        },
        signal: AbortSignal.any([shutdown, timeout]),
        maxRedirects: 0,
        maxContentLength: MAX_RESPONSE_BYTES,
        responseType: 'text',
        validateStatus: () => true,
      });
      if (status < 200 || status > 299) throw new DeliveryError(`status ${status}`);
    } catch (error) {
      if (error instanceof DeliveryError) throw error;
      // Referring to `timeout` here keeps Node 20 from garbage-collecting it (nodejs/node#57736).
      if (timeout.aborted) throw new DeliveryError('no response in time');
      // Throws a new error, because the error of axios contains the URL.
      throw new DeliveryError((axios.isAxiosError(error) && error.code) || 'no response');
    }
  }
}

/**
 * Returns the signature of a body: `t=<seconds since 1970>,v1=<hex>`. The hex digits are the
 * HMAC-SHA256 of the time, a dot and the body. With the signature, the receiver can reject forged
 * and replayed requests.
 */
function sign(body: string, secret: string, seconds: number): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${digest}`;
}
