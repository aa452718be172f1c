import { type Server, createServer } from 'node:http';
import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose';

/** A token issuer for tests. It publishes its signing key, and a test can rotate the key. */
export class JwksServer {
  readonly issuer = 'https://issuer.example';
  /** The number of requests for the keys. */
  requests = 0;
  /** Whether the server responds with 500. */
  isBroken = false;
  private keys: JWK[] = [];
  private privateKey: CryptoKey | undefined;
  private keyId = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<JwksServer> {
    const server = createServer((_request, response) => {
      issuer.requests += 1;
      response.statusCode = issuer.isBroken ? 500 : 200;
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ keys: issuer.keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string')
      throw new Error('The JWKS server is not listening');
    const issuer = new JwksServer(server, `http://127.0.0.1:${address.port}/jwks`);
    return issuer;
  }

  /** Replaces the published key with a new key. */
  async useNewKey(algorithm: string): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm);
    this.keyId += 1;
    this.keys = [{ ...(await exportJWK(publicKey)), kid: String(this.keyId), alg: algorithm }];
    this.privateKey = privateKey;
  }

  /** Signs a token that is valid for an hour, with `keyId` as the `kid` in its header. */
  async sign(userId: string, audience: string, keyId = String(this.keyId)): Promise<string> {
    const [key] = this.keys;
    if (this.privateKey === undefined || key?.alg === undefined)
      throw new Error('Call useNewKey first');
    return new SignJWT({ scope: 'balance:read profile:read' })
      .setProtectedHeader({ alg: key.alg, kid: keyId })
      .setIssuer(this.issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setExpirationTime('1 hour')
      .sign(this.privateKey);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
