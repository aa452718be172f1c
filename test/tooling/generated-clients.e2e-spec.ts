import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { API_KEY, useApp } from '../support/app.js';
import { hasProgram, runProgram } from '../support/programs.js';
import { HAS_PYTHON, PythonEnvironment } from '../support/python.js';
import { addUser } from '../support/users.js';

const OPENAPI = fileURLToPath(new URL('../../openapi.json', import.meta.url));
const SCENARIOS = fileURLToPath(new URL('generated-clients', import.meta.url));
// The expected output of each scenario.
const RESULTS = ['ada@example.com', 'Grace', 'Grace Hopper', 'USER_NOT_FOUND'];
const HAS_JAVA = hasProgram('java');
// On a new machine, Maven downloads a hundred files, so only full runs use it.
const RUNS_MAVEN = process.env.FULL === '1' && hasProgram('mvn');
const PYTHON_PACKAGES = ['openapi-generator-cli==7.17.0', 'openapi-python-client==0.29.1'];
PYTHON_PACKAGES.push('pydantic==2.14.4', 'python-dateutil==2.9.0', 'urllib3==2.8.0');
const NPM_PACKAGES = ['openapi-typescript@7.13.0', 'openapi-fetch@0.17.0'];
NPM_PACKAGES.push('typescript@5.9.3', '@types/node@20.19.43');

// Downloads from registries take long.
const TIMEOUT = { timeout: 150_000 };

const app = useApp();
const variables = () => ({ URL: app.url, API_KEY });

beforeEach(async () => {
  await app.prisma.user.deleteMany();
  await addUser(app.prisma, { id: '12345', email: 'ada@example.com' });
});

async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-client-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  return runProgram(program, args, { cwd, env: { ...process.env, ...variables() } });
}

it('a client of openapi-typescript compiles, and uses the backend', TIMEOUT, async () => {
  const folder = await createFolder();
  await copyFile(join(SCENARIOS, 'openapi-typescript.mts'), join(folder, 'scenario.mts'));
  await run(folder, 'npm', 'install', '--ignore-scripts', '--prefix', folder, ...NPM_PACKAGES);
  const bin = join(folder, 'node_modules/.bin');
  await run(folder, join(bin, 'openapi-typescript'), OPENAPI, '--output', 'schema.ts');
  const options = ['--strict', '--skipLibCheck', '--module', 'nodenext'];
  await run(folder, join(bin, 'tsc'), ...options, 'scenario.mts');
  expect(JSON.parse(await run(folder, 'node', 'scenario.mjs'))).toEqual(RESULTS);
});

describe.skipIf(!HAS_PYTHON)('with Python', TIMEOUT, () => {
  let python: PythonEnvironment;
  beforeAll(async () => {
    python = await PythonEnvironment.create(PYTHON_PACKAGES);
  });
  afterAll(() => python.remove());

  const openapiGenerator = (generator: string, folder: string, ...options: string[]) => {
    const args = ['generate', '-g', generator, '-i', OPENAPI, '-o', folder];
    return python.run('openapi-generator-cli', [...args, ...options]);
  };

  async function runScenario(folder: string, name: string): Promise<unknown> {
    const scenario = await readFile(join(SCENARIOS, name), 'utf8');
    const environment = { ...variables(), PYTHONPATH: folder };
    return JSON.parse(await python.run('python', ['-c', scenario], environment));
  }

  it('a client of openapi-python-client compiles, and uses the backend', async () => {
    const folder = await createFolder();
    const output = join(folder, 'openapi_client');
    const args = ['--path', OPENAPI, '--output-path', output, '--meta', 'none'];
    await python.run('openapi-python-client', ['generate', ...args, '--fail-on-warning']);
    await python.run('python', ['-m', 'compileall', '-q', output]);
    expect(await runScenario(folder, 'openapi_python_client.py')).toEqual(RESULTS);
  });

  it.skipIf(!HAS_JAVA)('a Python client of openapi-generator uses the backend', async () => {
    const folder = await createFolder();
    await openapiGenerator('python', folder);
    await python.run('python', ['-m', 'compileall', '-q', folder]);
    expect(await runScenario(folder, 'openapi_generator.py')).toEqual(RESULTS);
  });

  it.skipIf(!HAS_JAVA || !RUNS_MAVEN)(
    'a Java client of openapi-generator compiles, and uses the backend',
    async () => {
      const folder = await createFolder();
      await openapiGenerator('java', folder, '--library', 'native');
      const source = join(folder, 'src/main/java/OpenApiGenerator.java');
      await copyFile(join(SCENARIOS, 'OpenApiGenerator.java'), source);
      const classpath = join(folder, 'classpath');
      const goals = ['compile', 'dependency:build-classpath', `-Dmdep.outputFile=${classpath}`];
      await run(folder, 'mvn', '--quiet', '--batch-mode', ...goals);
      const path = `target/classes:${await readFile(classpath, 'utf8')}`;
      const output = await run(folder, 'java', '-classpath', path, 'OpenApiGenerator');
      expect(JSON.parse(output)).toEqual(RESULTS);
    },
  );
});
