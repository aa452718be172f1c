import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { EnvironmentError } from '@latchkey/environment/read-environment';
import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Registry } from 'prom-client';

const HEADERS_TIMEOUT_MS = 3000;
const MAX_CONNECTIONS = 64;

/**
 * Serves `GET /metrics` on its own port, in the text format of Prometheus. The port stays open
 * until the application has sent its last response. Requests need no API key: let only the scraper
 * reach the port.
 */
export class MetricsEndpoint implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MetricsEndpoint.name);
  private readonly server: Server;

  constructor(
    private readonly registry: Registry,
    private readonly settings: {
      readonly host: string;
      /** Undefined if metrics are off. */
      readonly port: number | undefined;
      /** The environment variable of the port, for error messages. */
      readonly variable: string;
    },
  ) {
    this.server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
      void this.answer(request, response);
    });
    this.server.maxConnections = MAX_CONNECTIONS;
    // A scraper's idle connection must not keep the process alive.
    this.server.unref();
  }

  get isEnabled(): boolean {
    return this.settings.port !== undefined;
  }

  /** @throws EnvironmentError if the port is not available */
  async onApplicationBootstrap(): Promise<void> {
    const { host, port, variable } = this.settings;
    if (port === undefined) return;
    try {
      this.server.listen(port, host);
      await once(this.server, 'listening');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
      throw new EnvironmentError([`${variable}: cannot listen on ${host}, port ${port}${code}`]);
    }
    this.logger.log(`Metrics are at ${this.url}`);
  }

  onApplicationShutdown(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  /** The URL of the metrics; undefined while the port is closed. */
  get url(): string | undefined {
    const address = this.server.address();
    if (address === null || typeof address === 'string') return undefined;
    return `http://${this.settings.host}:${address.port}/metrics`;
  }

  private async answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== 'GET' || url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = await this.registry.metrics();
      response.writeHead(200, { 'content-type': this.registry.contentType }).end(text);
    } catch (error) {
      this.logger.error(error);
      response.writeHead(500).end();
    }
  }
}
