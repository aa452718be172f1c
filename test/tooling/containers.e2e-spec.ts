import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { YAML11_SCHEMA, load } from 'js-yaml';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { callTool, sentence } from '../../mcp-server/test/support/clients.js';
import { token } from '../../mcp-server/test/support/tokens.js';
import { EmbeddedPostgres, temporaryClusterDirectory } from '../../scripts/embedded-postgres.js';
import { MCP_SERVER_GRANT } from '../../scripts/start/mcp-server-key.js';
import {
  CAN_BUILD_IMAGES,
  type ContainerProcess,
  type ImageConfig,
  Images,
} from '../support/images.js';
import { issueKey } from '../support/keys.js';

const dockerfile = readFileSync('Dockerfile', 'utf8');

const hardened = {
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  tmpfs: z.array(z.string()),
  mem_limit: z.literal('256m'),
  pids_limit: z.literal(128),
};
// Strict, so that the schema refuses settings that restore a privilege, such as `cap_add`.
const serviceSchema = z.strictObject({
  ...hardened,
  image: z.string(),
  user: z.string(),
  // The schema permits no `command`, so each service runs the command of its image.
  build: z.strictObject({ context: z.literal('.'), target: z.string() }).optional(),
  environment: z.record(z.string(), z.string()),
  secrets: z.array(z.string()),
  volumes: z.array(z.string()).optional(),
  networks: z.array(z.string()),
  ports: z.array(z.string()).default([]),
  healthcheck: z.unknown().optional(),
  depends_on: z.unknown().optional(),
  restart: z.literal('unless-stopped').optional(),
});
const composeSchema = z.looseObject({
  services: z.record(z.enum(['postgres', 'migrate', 'backend', 'mcp-server']), serviceSchema),
});

const { services } = composeSchema.parse(
  load(readFileSync('compose.yaml', 'utf8'), { schema: YAML11_SCHEMA }),
);
const TARGETS = ['migrate', 'backend', 'mcp-server'] as const;
type Target = (typeof TARGETS)[number];
const SERVERS = ['backend', 'mcp-server'] as const;

/** The variables of a service in compose.yaml, with their defaults. */
function variablesOf(target: Target): Record<string, string> {
  const variables = Object.entries(services[target].environment);
  return Object.fromEntries(
    variables.map(([name, value]) => [name, value.replace(/\$\{\w+:-(.*)\}/, '$1')]),
  );
}

describe('compose.yaml', () => {
  it.each(Object.entries(services))(
    'provides the secrets of %s only as files',
    (_name, service) => {
      const secretVariable = /KEY|SECRET|PASSWORD|DATABASE_URL/;
      for (const [name, value] of Object.entries(service.environment)) {
        if (!secretVariable.test(name)) continue;
        expect(name).toMatch(/_FILE$/);
        expect(service.secrets.map((secret) => `/run/secrets/${secret}`)).toContain(value);
      }
    },
  );

  it('provides the URL of the database owner only to the migration', () => {
    const holders = Object.entries(services).filter(([, { secrets }]) =>
      secrets.includes('owner-database-url'),
    );
    expect(holders.map(([name]) => name)).toEqual(['migrate']);
  });

  it('provides the root key only to the backend', () => {
    const holders = Object.entries(services).filter(([, { secrets }]) =>
      secrets.includes('internal-api-key'),
    );
    expect(holders.map(([name]) => name)).toEqual(['backend']);
  });

  it.each(Object.entries(services))(
    'publishes ports of %s only on loopback',
    (_name, { ports }) => {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    },
  );

  it('runs PostgreSQL without root', () => {
    expect(services.postgres.user).toBe('postgres');
  });

  it('starts the backend after the migration has succeeded', () => {
    expect(services.backend.depends_on).toMatchObject({
      migrate: { condition: 'service_completed_successfully' },
    });
  });

  it.each(SERVERS)('sets only documented variables for %s', (server) => {
    const documented = readFileSync('.env.example', 'utf8').match(/^\w+(?==)/gm);
    expect(documented).toEqual(expect.arrayContaining(Object.keys(variablesOf(server))));
  });
});

describe('Dockerfile', () => {
  it('names its base image by a major version of Node and a release of Debian', () => {
    const stages = [...dockerfile.matchAll(/^FROM (\S+) AS (\S+)$/gm)];
    const names = new Set(stages.map(([, , name]) => name));
    const external = stages.map(([, base]) => base).filter((base) => !names.has(base));
    expect(external).toEqual([expect.stringMatching(/^node:\d+-\w+-slim$/)]);
  });

  it('has no build arguments, which would remain in the history of an image', () => {
    expect(dockerfile).not.toMatch(/^ARG /m);
  });

  it('runs no install scripts', () => {
    for (const [install] of dockerfile.matchAll(/npm (ci|install).*/g)) {
      expect(install).toContain(' --ignore-scripts');
    }
  });
});

describe.skipIf(!CAN_BUILD_IMAGES)('the image', () => {
  const configs = new Map<Target, ImageConfig>();
  const port = randomInt(10_000, 20_000);
  const mcpPort = port + 10_000;
  const cleanups: (() => Promise<unknown>)[] = [];
  let images: Images;
  let postgres: EmbeddedPostgres;
  let secrets: string;

  beforeAll(async () => {
    images = await Images.create();
    cleanups.push(() => images.remove());
    const [, base = ''] = /^FROM (\S+)/m.exec(dockerfile) ?? [];
    await images.makeBase(base);
    for (const target of TARGETS) configs.set(target, await images.build(target));
    const directory = temporaryClusterDirectory();
    cleanups.push(() => rm(directory, { recursive: true }));
    postgres = await EmbeddedPostgres.start({ directory, durable: false });
    cleanups.push(() => postgres.stop());
    secrets = await writeSecrets(postgres.url);
    cleanups.push(() => rm(secrets, { recursive: true }));
  }, 900_000);

  // Runs even after a failed build.
  afterAll(async () => {
    for (const cleanUp of cleanups.toReversed()) await cleanUp();
  }, 120_000);

  function configOf(target: Target): ImageConfig {
    const config = configs.get(target);
    if (config === undefined) throw new Error(`${target} has not been built.`);
    return config;
  }

  /**
   * Starts a container with the variables and secrets of its service in compose.yaml. Unlike the
   * service, the container uses the network of this machine.
   */
  function start(target: Target, command: readonly string[]) {
    const network = {
      HOST: '127.0.0.1',
      PORT: `${port}`,
      MCP_PORT: `${mcpPort}`,
      BACKEND_API_URL: `http://127.0.0.1:${port}`,
    };
    const variables = Object.entries({ ...variablesOf(target), ...network, DRAIN_SECONDS: '0' });
    const options = variables.flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    return images.start(target, ['--volume', `${secrets}:/run/secrets:ro`, ...options], command);
  }

  function run(target: Target, ...command: string[]): Promise<string> {
    return outputOf(images.start(target, [], command));
  }

  it.each(TARGETS)('of %s runs as the unprivileged user of compose.yaml', async (target) => {
    expect(services[target]).toMatchObject({ build: { target }, image: `latchkey-${target}` });
    expect(configOf(target).User).toBe('65534:65534');
    expect(services[target].user).toBe(configOf(target).User);
    const status = await run(target, 'cat', '/proc/self/status');
    expect(status).toMatch(/^Uid:(\t65534){4}$/m);
    expect(status).toMatch(/^CapPrm:\t0{16}$/m);
  });

  it.each(TARGETS)('of %s starts in production mode, without a shell or secrets', (target) => {
    const { Cmd, Env } = configOf(target);
    expect(Cmd[0]).toBe('node');
    expect(Env).toContain('NODE_ENV=production');
    expect(Env.join(' ')).not.toMatch(/KEY|SECRET|TOKEN|PASSWORD|DATABASE_URL/);
  });

  it.each(TARGETS)('of %s contains no file that its user can write', async (target) => {
    expect(await run(target, 'find', '/app', '-writable', '-not', '-type', 'l')).toBe('');
  });

  it.each(TARGETS)('of %s contains no secrets, tests or development tools', async (target) => {
    const files = (await run(target, 'find', '/app')).split('\n');
    const own = files.filter((file) => !file.includes('/node_modules/'));
    expect(own.filter((file) => /\/(\.env|\.git|test|secrets|.*\.spec\.)/.test(file))).toEqual([]);
    expect(files).not.toContain('/app/node_modules/vitest');
  });

  it.each(SERVERS)('of %s contains no migration tools', async (server) => {
    expect(await run(server, 'ls', 'node_modules')).not.toMatch(/^(prisma|tsx)$/m);
  });

  it.each(SERVERS)('of %s exposes the port that compose.yaml publishes', (server) => {
    const [exposed = ''] = Object.keys(configOf(server).ExposedPorts);
    const number = exposed.replace('/tcp', '');
    expect(services[server].ports).toEqual([`127.0.0.1:${number}:${number}`]);
  });

  it('of migrate sets up an empty database, on which both servers become healthy and serve get_balance', async () => {
    expect(configOf('migrate').Healthcheck.Test).toEqual(['NONE']);
    await outputOf(start('migrate', configOf('migrate').Cmd));
    await addUser(postgres.url);
    const servers = SERVERS.map((server) => start(server, configOf(server).Cmd));
    for (const server of SERVERS) {
      const [kind, ...check] = configOf(server).Healthcheck.Test;
      expect(kind).toBe('CMD');
      const isHealthy = async () => (await start(server, check).exited) === 0;
      await expect.poll(isHealthy, { timeout: 60_000, interval: 500 }).toBe(true);
    }

    const rootKey = readFileSync(join(secrets, 'internal-api-key'), 'utf8');
    const { secret: key } = await issueKey(`http://127.0.0.1:${port}`, MCP_SERVER_GRANT, rootKey);
    await writeFile(join(secrets, 'mcp-server-key'), key);

    const { MCP_PUBLIC_URL: audience, JWT_ISSUER: issuer } = variablesOf('mcp-server');
    const secret = readFileSync(join(secrets, 'jwt-secret'), 'utf8');
    const bearer = await token('12345', { secret, issuer, audience });
    const url = new URL(`http://127.0.0.1:${mcpPort}/mcp`);
    const result = await callTool(url, bearer, 'get_balance', { account_type: 'checking' });

    expect(sentence(result)).toContain('Hello John Doe! Your checking balance is');
    for (const server of servers) server.stop();
    await Promise.all(servers.map(outputOf));
  }, 180_000);
});

async function outputOf(process: ContainerProcess): Promise<string> {
  if ((await process.exited) !== 0) throw new Error(process.output);
  return process.output;
}

/**
 * Writes the secret files that docs/how-to/containers.md describes. Makes them readable by every
 * account, because the containers run as another user.
 */
async function writeSecrets(ownerUrl: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-secrets-'));
  const url = new URL(ownerUrl);
  url.username = 'latchkey';
  url.password = randomSecret();
  const files = {
    'owner-database-url': ownerUrl,
    'database-url': url.href,
    'internal-api-key': randomSecret(),
    // The test replaces this key as soon as the backend can issue a key.
    'mcp-server-key': randomSecret(),
    'jwt-secret': randomSecret(),
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o644 });
  }
  await chmod(folder, 0o755);
  return folder;
}

function randomSecret(): string {
  return randomBytes(32).toString('hex');
}

async function addUser(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`
    INSERT INTO users (id, email, name, permissions, updated_at)
    VALUES ('12345', 'user@example.com', 'John Doe', '{read}', now());
    INSERT INTO accounts (id, user_id, type, currency, balance, updated_at)
    VALUES ('1', '12345', 'checking', 'USD', 1234.56, now())`);
  await client.end();
}
