import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listBuildContext } from '../../deploy/trial/build-context.js';
import { type Instruction, parseCopy, parseDockerfile } from '../../deploy/trial/dockerfile.js';

const context = listBuildContext('.', readFileSync('.dockerignore', 'utf8'));
const compose = readFileSync('compose.yaml', 'utf8');
const services = compose.slice(compose.indexOf('\nservices:'), compose.indexOf('\nnetworks:'));
const serviceBlocks = services
  .split(/\n {2}(?=[a-z-]+:\n)/)
  .slice(1)
  .map((block): [name: string, block: string] => [block.slice(0, block.indexOf(':')), block]);

function valuesOf(instructions: Instruction[], keyword: string): string[] {
  return instructions.filter((known) => known.keyword === keyword).map(({ value }) => value);
}

describe.each(['Dockerfile', 'mcp-server/Dockerfile'])('%s', (path) => {
  const text = readFileSync(path, 'utf8');
  const stages = parseDockerfile(text);
  const images = stages.filter(({ instructions }) => valuesOf(instructions, 'CMD').length > 0);

  it('installs and compiles in other stages than those that run', () => {
    expect(images.length).toBeGreaterThan(0);
    for (const { base, instructions } of images) {
      expect(base).toBe('base');
      expect(valuesOf(instructions, 'RUN')).toEqual([]);
    }
  });

  it('names the base image by a version', () => {
    const external = stages.filter(({ base }) => !stages.some(({ name }) => name === base));
    expect(external.map(({ base }) => base)).toEqual(['node:24-bookworm-slim']);
  });

  it('runs as nobody', () => {
    for (const { instructions } of images) {
      expect(valuesOf(instructions, 'USER')).toEqual(['65534:65534']);
    }
  });

  it('starts its process without a shell', () => {
    for (const { instructions } of images) {
      for (const command of valuesOf(instructions, 'CMD')) {
        expect(JSON.parse(command)).toEqual(expect.arrayContaining(['node']));
      }
    }
  });

  it('checks the health of what serves', () => {
    for (const { instructions } of images) {
      const serves = valuesOf(instructions, 'EXPOSE').length > 0;
      const [check] = valuesOf(instructions, 'HEALTHCHECK');
      expect(check).toMatch(serves ? / CMD \["node", "-e", / : /^NONE$/);
    }
  });

  it('runs in production', () => {
    const base = stages.find(({ name }) => name === 'base');
    expect(valuesOf(base?.instructions ?? [], 'ENV')).toContain('NODE_ENV=production');
  });

  it('has no secret in its layers', () => {
    const variables = stages.flatMap(({ instructions }) => valuesOf(instructions, 'ENV'));
    expect(variables.join(' ')).not.toMatch(/KEY|SECRET|TOKEN|PASSWORD|DATABASE_URL/);
    expect(text).not.toMatch(/^ARG /m);
  });

  it('installs only production dependencies, by the lock file, without install scripts', () => {
    const stage = stages.find(({ name }) => name === 'production-dependencies');
    const [install] = valuesOf(stage?.instructions ?? [], 'RUN');
    expect(install).toMatch(/^npm ci --omit=dev --omit=optional --ignore-scripts /);
  });

  it('copies only what exists and is not ignored', () => {
    const copies = stages
      .flatMap(({ instructions }) => valuesOf(instructions, 'COPY'))
      .map(parseCopy);
    const sources = copies.filter(({ from }) => from === undefined).flatMap((copy) => copy.sources);
    const missing = sources.filter(
      (source) =>
        source !== '.' && !context.some((file) => file === source || file.startsWith(`${source}/`)),
    );
    expect(missing).toEqual([]);
  });

  it('copies from stages that come before', () => {
    for (const [index, { instructions }] of stages.entries()) {
      const earlier = new Set(stages.slice(0, index).map(({ name }) => name));
      const copied = valuesOf(instructions, 'COPY').flatMap((value) => parseCopy(value).from ?? []);
      expect(copied.filter((name) => !earlier.has(name))).toEqual([]);
    }
  });
});

describe('.dockerignore', () => {
  it('keeps secrets, tests and what is built or installed out of the build context', () => {
    const unwanted = /(^|\/)(\.env|\.git|node_modules|dist|secrets|test)(\/|$)|\.spec\.ts$/;
    expect(context.filter((file) => unwanted.test(file))).toEqual([]);
  });
});

describe('compose.yaml', () => {
  it('has the database, its migration and both processes', () => {
    expect(serviceBlocks.map(([name]) => name)).toEqual([
      'postgres',
      'migrate',
      'backend',
      'mcp-server',
    ]);
  });

  it('defines what a hardened service is', () => {
    const [, hardened = ''] = /&hardened\n((?: {2}.+\n)+)/.exec(compose) ?? [];
    expect(hardened.split('\n').map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        'read_only: true',
        'cap_drop: [ALL]',
        "security_opt: ['no-new-privileges:true']",
        'tmpfs: [/tmp]',
        'mem_limit: 256m',
        'pids_limit: 128',
      ]),
    );
  });

  it.each(serviceBlocks)('hardens %s and takes nothing of it back', (_name, block) => {
    expect(block).toContain('\n    <<: *hardened\n');
    expect(block).not.toMatch(
      /^ {4}(read_only|cap_drop|cap_add|security_opt|privileged|mem_limit|pids_limit):/m,
    );
  });

  it.each(serviceBlocks)('runs %s as an account without rights', (name, block) => {
    const [, user] = /^ {4}user: (.+)$/m.exec(block) ?? [];
    expect(user).toBe(name === 'postgres' ? 'postgres' : "'65534:65534'");
  });

  it("keeps the owner's account of the database from what serves", () => {
    const holders = serviceBlocks.filter(([, block]) => block.includes('owner-database-url'));
    expect(holders.map(([name]) => name)).toEqual(['migrate']);
  });

  it('gives the root key to the backend only', () => {
    const holders = serviceBlocks.filter(([, block]) => block.includes('internal-api-key'));
    expect(holders.map(([name]) => name)).toEqual(['backend']);
  });

  it.each(serviceBlocks)('publishes %s on loopback at the most', (_name, block) => {
    const [, ports = ''] = /^ {4}ports: (.+)$/m.exec(block) ?? [];
    for (const port of ports.match(/[\d.:]+/g) ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it.each(serviceBlocks)('gives %s its secrets as files only', (_name, block) => {
    const secretVariables = block.match(/^ {6}\w*(KEY|SECRET|PASSWORD|DATABASE_URL)\w*: .+$/gm);
    for (const line of secretVariables ?? [])
      expect(line).toMatch(/_FILE: \/run\/secrets\/[\w-]+$/);
  });

  it('starts the backend after the migration', () => {
    const backend = Object.fromEntries(serviceBlocks)['backend'];
    expect(backend).toContain('migrate: { condition: service_completed_successfully }');
  });

  it('names Dockerfiles and targets that exist', () => {
    const builds = [...services.matchAll(/build: \{ context: \., (\w+): (\S+) \}/g)];
    expect(builds).toHaveLength(3);
    const stages = parseDockerfile(readFileSync('Dockerfile', 'utf8'));
    const targets = new Set(stages.map(({ name }) => name));
    for (const [, kind, value = ''] of builds) {
      expect(kind === 'target' ? targets.has(value) : existsSync(value)).toBe(true);
    }
  });
});
