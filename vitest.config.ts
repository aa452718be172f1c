import { type Plugin, defineConfig } from 'vitest/config';

/**
 * The build tool guards each injected class with a branch that no test can take: leave it out of
 * the coverage.
 */
const plainConstructorTypes: Plugin = {
  name: 'plain-constructor-types',
  enforce: 'post',
  transform: (code) => code.replaceAll(/typeof (\w+) === "undefined" \? Object : \1/g, '$1'),
};

const ON_REAL_DATABASE = {
  // Loading Nest anew for each file would take a tenth of the time; no test changes a module.
  isolate: false,
  globalSetup: ['test/support/database.setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 150_000,
};

// Bounds in time are for a machine of one's own, as a release has it.
const RETRIES = process.env.FULL === '1' ? 0 : 1;

export default defineConfig({
  plugins: [plainConstructorTypes],
  test: {
    // The end-to-end tests wait for processes and time-outs as much as they compute.
    maxWorkers: 3,
    // Polling waits for a state; other tests check how soon it comes.
    expect: { poll: { timeout: 10_000 } },
    reporters: ['default', './test/support/tally.reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'src/**/*.spec.ts',
            'packages/*/src/**/*.spec.ts',
            'mcp-server/{src,scripts}/**/*.spec.ts',
            'scripts/**/*.spec.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/*.e2e-spec.ts', 'mcp-server/test/*.e2e-spec.ts'],
          ...ON_REAL_DATABASE,
        },
      },
      {
        extends: true,
        test: {
          name: 'tooling',
          include: ['test/tooling/*.e2e-spec.ts'],
          ...ON_REAL_DATABASE,
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          // Fault tests have time limits, which parallel files would exceed: one file at a time.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          include: ['test/faults/*.e2e-spec.ts', 'mcp-server/test/faults/*.e2e-spec.ts'],
          ...ON_REAL_DATABASE,
          retry: RETRIES,
        },
      },
      {
        extends: true,
        test: {
          name: 'chaos',
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          include: ['test/chaos/*.e2e-spec.ts'],
          ...ON_REAL_DATABASE,
          globalSetup: ['test/chaos/support/results.setup.ts'],
          testTimeout: 300_000,
          retry: RETRIES,
        },
      },
    ],
    coverage: {
      reporter: [['text', { skipFull: true }]],
      include: ['src/{auth,api-keys,users,internal-users,config}/**'],
      exclude: ['mcp-server/**', '**/*.spec.ts', '**/*.module.ts'],
      thresholds: { branches: 100 },
    },
  },
});
