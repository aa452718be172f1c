// Builds an image's files without Docker: node --import tsx deploy/trial/build-image.ts DOCKERFILE TARGET FOLDER
// Run it in the checkout that is the build context. Each stage becomes a folder in FOLDER, and TARGET.json there says
// what Docker would keep beside the files. The base image is not at hand: RUN uses this machine's programs and npm settings.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { listBuildContext } from './build-context.js';
import { type Instruction, parseCopy, parseDockerfile, type Stage } from './dockerfile.js';

interface Image {
  /** Its root folder on this machine. */
  readonly root: string;
  workingDirectory: string;
  user: string;
  environment: Record<string, string>;
  command: string[];
  healthCheck: string[];
}

const execForm = z.array(z.string()).min(1);
const [dockerfile, target, folder] = process.argv.slice(2);
if (dockerfile === undefined || target === undefined || folder === undefined) {
  throw new Error('Usage: build-image.ts DOCKERFILE TARGET FOLDER');
}
const stages = parseDockerfile(readFileSync(dockerfile, 'utf8'));
const context = copyContext(folder);
const images = new Map<string, Image>();
writeFileSync(join(folder, `${target}.json`), JSON.stringify(build(target, folder)));

function copyContext(parent: string): string {
  const root = join(parent, 'context');
  if (existsSync(root)) return root;
  for (const file of listBuildContext('.', readFileSync('.dockerignore', 'utf8'))) {
    cpSync(file, join(root, file));
  }
  return root;
}

function build(name: string, parent: string): Image {
  const built = images.get(name);
  if (built !== undefined) return built;
  const stage = stages.find((known) => known.name === name);
  if (stage === undefined) throw new Error(`There is no stage ${name}.`);
  const image = begin(stage, parent);
  images.set(name, image);
  for (const instruction of stage.instructions) carryOut(instruction, image, parent);
  console.log(`built ${name}`);
  return image;
}

function begin({ name, base }: Stage, parent: string): Image {
  const root = join(parent, name);
  if (!stages.some((stage) => stage.name === base)) {
    mkdirSync(root);
    const settings = { workingDirectory: '/', user: '', environment: {} };
    return { root, ...settings, command: [], healthCheck: [] };
  }
  const baseImage = build(base, parent);
  cpSync(baseImage.root, root, { recursive: true, verbatimSymlinks: true });
  return { ...structuredClone(baseImage), root };
}

function carryOut({ keyword, value }: Instruction, image: Image, parent: string): void {
  switch (keyword) {
    case 'WORKDIR':
      image.workingDirectory = value;
      mkdirSync(join(image.root, value), { recursive: true });
      break;
    case 'ENV':
      for (const [, name = '', text = ''] of value.matchAll(/(\w+)=(\S+)/g)) {
        image.environment[name] = text;
      }
      break;
    case 'USER':
      image.user = value;
      break;
    case 'COPY':
      copy(value, image, parent);
      break;
    case 'RUN':
      run(value, image);
      break;
    case 'CMD':
      image.command = execForm.parse(JSON.parse(value));
      break;
    case 'HEALTHCHECK':
      image.healthCheck = value === 'NONE' ? [] : readHealthCheck(value);
      break;
    case 'EXPOSE':
      break;
    default:
      throw new Error(`${keyword} is not known here.`);
  }
}

function readHealthCheck(value: string): string[] {
  return execForm.parse(JSON.parse(value.replace(/^.*? ?CMD /, '')));
}

function copy(value: string, image: Image, parent: string): void {
  const { from, sources, destination } = parseCopy(value);
  const sourceRoot = from === undefined ? context : build(from, parent).root;
  const place = join(image.root, image.workingDirectory, destination);
  for (const source of sources) {
    const path = join(sourceRoot, source);
    // Docker copies what is in a folder, and a file into a destination that ends with a slash.
    const intoFolder = destination.endsWith('/') && !statSync(path).isDirectory();
    const copied = intoFolder ? join(place, basename(path)) : place;
    cpSync(path, copied, { recursive: true, verbatimSymlinks: true });
  }
}

function run(command: string, image: Image): void {
  execFileSync('sh', ['-ec', command], {
    cwd: join(image.root, image.workingDirectory),
    env: { ...process.env, ...image.environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
