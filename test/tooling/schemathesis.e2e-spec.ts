import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, useApp } from '../support/app.js';
import { HAS_PYTHON, PythonEnvironment } from '../support/python.js';
import { addUser } from '../support/users.js';

const SETTINGS = fileURLToPath(new URL('schemathesis.toml', import.meta.url));
// Schemathesis sends 1,200 requests, which take 20 s on an idle machine.
const TIMEOUT_MS = 120_000;
const PACKAGES = ['schemathesis==4.32.5'];

const app = useApp();

describe.skipIf(!HAS_PYTHON)('Schemathesis', { timeout: TIMEOUT_MS }, () => {
  let python: PythonEnvironment;
  beforeAll(async () => {
    python = await PythonEnvironment.create(PACKAGES);
    await addUser(app.prisma, { id: '12345' });
  });
  afterAll(() => python.remove());

  it('finds no difference between the OpenAPI document and the backend', async () => {
    const args = ['--config-file', SETTINGS, 'run', `${app.url}/api/openapi.json`];
    const report = await python.run('schemathesis', args, { API_KEY });
    expect(report).toMatch(/\b(\d+) generated, \1 passed/);
  });
});
