import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { hasProgram } from './programs.js';

const BASE_IMAGE_SCRIPT = fileURLToPath(new URL('base-image.sh', import.meta.url));
const ISOLATION = ['--isolation', 'chroot'];

const configSchema = z.object({
  User: z.string(),
  Env: z.array(z.string()),
  Cmd: z.array(z.string()),
  ExposedPorts: z.record(z.string(), z.unknown()).default({}),
  Healthcheck: z.object({ Test: z.array(z.string()) }),
});
const inspectionSchema = z.object({ Docker: z.object({ config: configSchema }) });
export type ImageConfig = z.infer<typeof configSchema>;

export const CAN_BUILD_IMAGES =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  ['buildah', 'debootstrap', 'apt-get'].every(hasProgram);

/** Images that buildah builds and runs without a daemon, in a temporary folder. */
export class Images {
  private constructor(private readonly folder: string) {}

  static async create(): Promise<Images> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-images-'));
    await mkdir(join(folder, 'npm-cache'));
    return new Images(folder);
  }

  /** Creates the image that replaces the base image `node:MAJOR-…`. */
  async makeBase(name: string): Promise<void> {
    const [, nodeMajor = ''] = /^node:(\d+)-/.exec(name) ?? [];
    await run(BASE_IMAGE_SCRIPT, [join(this.folder, 'base'), nodeMajor]);
    await writeFile(join(this.folder, 'Dockerfile'), 'FROM scratch\nCOPY base /\n');
    await this.buildah('bud', ...ISOLATION, '--quiet', '--tag', name, this.folder);
  }

  /** Builds a target of the Dockerfile and creates a container with the same name from it. */
  async build(target: string): Promise<ImageConfig> {
    const cache = `${join(this.folder, 'npm-cache')}:/root/.npm`;
    const offline = ['--pull-never', '--network', 'host', '--volume', cache];
    // Only the format `docker` supports health checks.
    const result = ['--format', 'docker', '--target', target, '--tag', target];
    await this.buildah('bud', ...ISOLATION, ...offline, '--quiet', ...result, '.');
    await this.buildah('from', '--pull-never', '--name', target, target);
    const inspection = await this.buildah('inspect', '--type', 'image', target);
    return inspectionSchema.parse(JSON.parse(inspection)).Docker.config;
  }

  /** Starts a command in a container, as the image's user, without capabilities. */
  start(target: string, options: readonly string[], command: readonly string[]): ContainerProcess {
    const isolation = [...ISOLATION, '--cap-drop', 'ALL'];
    return new ContainerProcess([
      ...this.storage(),
      'run',
      ...isolation,
      ...options,
      target,
      '--',
      ...command,
    ]);
  }

  async remove(): Promise<void> {
    await this.buildah('rm', '--all');
    await this.buildah('rmi', '--all', '--force');
    await rm(this.folder, { recursive: true });
  }

  private storage(): string[] {
    return ['--root', join(this.folder, 'storage'), '--runroot', join(this.folder, 'run')];
  }

  private buildah(...args: string[]): Promise<string> {
    return run('buildah', [...this.storage(), ...args]);
  }
}

/** A command that runs in a container. */
export class ContainerProcess {
  /** The output so far, on stdout and stderr. */
  output = '';
  readonly exited: Promise<number | null>;
  private readonly buildah: ChildProcess;

  constructor(args: readonly string[]) {
    this.buildah = spawn('buildah', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.buildah.stdout, this.buildah.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
    this.exited = once(this.buildah, 'close').then(() => this.buildah.exitCode);
  }

  /** Sends SIGTERM directly to the command, because buildah would kill the command on SIGTERM. */
  stop(): void {
    if (this.buildah.exitCode === null) {
      process.kill(lastDescendant(this.buildah.pid ?? 0), 'SIGTERM');
    }
  }
}

/**
 * Finds the process of the command, which is the last in a chain of processes that buildah starts.
 * Any thread of a process may have started the next process.
 */
function lastDescendant(pid: number): number {
  const [child] = readdirSync(`/proc/${pid}/task`).flatMap(
    (thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').match(/\d+/g) ?? [],
  );
  return child === undefined ? pid : lastDescendant(Number(child));
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 64 * 1024 ** 2 });
  return stdout;
}
