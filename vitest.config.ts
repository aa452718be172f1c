import { type Plugin, defineConfig } from 'vitest/config';

/**
 * Removes a branch that the compiler generates for each injected class. No test can take this
 * branch, so it would count as not covered.
 */
const plainConstructorTypes: Plugin = {
  name: 'plain-constructor-types',
  enforce: 'post',
  transform: (code) => code.replaceAll(/typeof (\w+) === "undefined" \? Object : \1/g, '$1'),
};

const ON_REAL_DATABASE = {
  // Test files share loaded modules, which no test changes. This saves a tenth of the time.
  isolate: false,
  globalSetup: ['test/support/database.setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 150_000,
};

// A test may exceed its time limit on a busy machine: retry it, except before a release (FULL=1).
const RETRIES = process.env.FULL === '1' ? 0 : 1;

export default defineConfig({
  plugins: [plainConstructorTypes],
  test: {
    // End-to-end tests spend about half of their time waiting for processes and time-outs, so three
    // workers do not need three cores.
    maxWorkers: 3,
    // A long time-out, because a poll only waits for a state. Other tests check how fast states are
    // reached.
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
          // Fault tests have time limits, which they would exceed if the files ran in parallel.
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
